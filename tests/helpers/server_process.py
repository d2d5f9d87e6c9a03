"""The server in a process of its own, on a free port of this machine."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass

_SECONDS = 180


@dataclass(frozen=True)
class Served:
    """A server that runs: its process and its address, without a slash at its end."""

    process: subprocess.Popen
    url: str

    def stop(self):
        """Stop it, as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def serving(*arguments):
    """Run `fashion-keras serve ARGUMENTS --port 0` until the block ends."""
    command = [sys.executable, "-m", "fashion_keras", "serve", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        late = threading.Timer(_SECONDS, process.kill)
        late.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("serving on "):
                break
        else:
            raise AssertionError("".join(lines))
        late.cancel()
        # Whatever it logs is read, so that it never waits for this process.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        served = Served(process, line.split()[2].partition("?")[0].rstrip("/"))
        try:
            yield served
        finally:
            served.stop()
