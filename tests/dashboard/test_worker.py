"""The worker's own look for work outlives a broker that is away."""

import threading

from dashboard import worker


def test_q13_a_broker_that_is_away_does_not_end_the_look(monkeypatch):
    monkeypatch.setattr(worker, "SECONDS", 0.01)
    looked = threading.Event()
    calls = []

    class App:
        def send_task(self, *args, **options):
            calls.append(args)
            if len(calls) == 1:
                raise ConnectionResetError
            looked.set()

    worker._stop.clear()
    thread = threading.Thread(target=worker._look, args=(App(),), daemon=True)
    thread.start()
    assert looked.wait(5)
    worker._stop.set()
    thread.join(5)
