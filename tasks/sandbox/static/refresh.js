// Redraws what changes, every two seconds, and leaves what is being typed alone.
setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["live", "faults"]) {
      document.getElementById(id).replaceWith(fresh.getElementById(id));
    }
  } catch {
    // The sandbox is down or restarting: the next round will tell.
  }
}, 2000);
