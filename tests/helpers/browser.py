"""A page in a browser without a window, asked by the protocol of its developer tools."""

import json
import os
import select
import shutil
import subprocess
from time import monotonic

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"needs a browser: one of {', '.join(NAMES)}")
OPTIONS = ("--headless", "--disable-gpu", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND")
PIPES = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'  # the browser reads commands from 3 and answers to 4
SECONDS = 120  # for an answer, on a machine with much else to do


class Page:
    """A page of a file, which can reach nothing outside: ``with Page(path, profile, width=400) as page``."""

    def __init__(self, path, profile, *, width=1000, still=False):
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [BROWSER, *OPTIONS, *root, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            ["sh", "-c", PIPES, "sh", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.number, self.left, self.errors, self.loaded, self.session = 0, b"", [], False, {}
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.send("Page.enable")
        self.send("Runtime.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        if still:
            motion = {"name": "prefers-reduced-motion", "value": "reduce"}
            self.send("Emulation.setEmulatedMedia", features=[motion])
        self.send("Page.navigate", url=path.as_uri())
        while not self.loaded:
            self.take()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def take(self):
        """The next message of the browser; notes errors of the page, and that it has loaded."""
        end = monotonic() + SECONDS
        while b"\0" not in self.left:
            ready, _, _ = select.select([self.process.stdout], [], [], max(end - monotonic(), 0))
            assert ready, f"no answer of {BROWSER} in {SECONDS} s"
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, f"{BROWSER} has ended: {self.process.wait(10)}"
            self.left += more
        text, _, self.left = self.left.partition(b"\0")
        message = json.loads(text)
        self.loaded |= message.get("method") == "Page.loadEventFired"
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(message["params"]["exceptionDetails"])
        return message

    def send(self, method, **params):
        """Give a command, return its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params, **self.session}
        self.process.stdin.write(json.dumps(command).encode() + b"\0")
        self.process.stdin.flush()
        while (message := self.take()).get("id") != self.number:
            pass
        assert "error" not in message, message
        return message["result"]

    def ask(self, script):
        """What a script returns: the body of an async function, its value such as JSON has."""
        expression = f"(async () => {{ {script} }})()"
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        assert self.errors == []
        return answer["result"].get("value")
