-- Pushes as wrk sends them: each of another device, every body only once. Prints one line of figures at the end.
local number, thread, threads = 0, 0, 0
local start = os.time() % 100000

function setup(each)
  each:set("thread", threads)
  threads = threads + 1
end

function request()
  number = number + 1
  return wrk.format("POST", nil, nil, string.format(
    '{"deviceId":"device-%05d","commandId":"c-%05d","result":{"resultCode":"SUCCESSFUL","resultDetail":{"n":"%d-%d-%d"}}}',
    number % 20000, number % 20000, start, thread, number))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
