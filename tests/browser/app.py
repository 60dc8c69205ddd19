"""The web example as a person uses it: by labels, buttons and what is to be read on the page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, WebSocket, expect

from tests.e2e.conftest import PASSWORD

SECONDS = 1000
PATIENCE = 60 * SECONDS
"""How long a state may take to come: a machine may be busy."""
_SIZE: ViewportSize = {"width": 720, "height": 640}


@dataclass(frozen=True)
class Window:
    """One user's browser, with storage of its own."""

    page: Page
    artefacts: Path
    frames: list[bytes]
    """What was sent on any WebSocket."""

    @property
    def connects(self) -> list[bytes]:
        """The CONNECT packets that Amplify has sent, those that were refused too."""
        return [frame for frame in self.frames if b"MQIsdp" in frame]

    def expect_connects(self, count: int) -> None:
        """Wait until Amplify has tried so often to connect."""
        deadline = time.monotonic() + PATIENCE / SECONDS
        while len(self.connects) < count and time.monotonic() < deadline:
            self.page.wait_for_timeout(0.1 * SECONDS)
        assert len(self.connects) >= count

    def sign_in(self, user: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def expect_connected(self, within: float = PATIENCE) -> None:
        expect(self.page.get_by_role("status")).to_have_text("Connected", timeout=within)

    def expect_status(self, *words: str) -> None:
        """Wait until the page says all of this about its connection."""
        for each in words:
            expect(self.page.get_by_role("status")).to_contain_text(each, timeout=PATIENCE)

    def expect_alert(self, words: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(words, timeout=PATIENCE)

    def send(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send").click(timeout=PATIENCE)

    def expect_message(self, sender: str, text: str) -> None:
        """Wait for the message, once in the conversation, and as the latest."""
        expect(self.page.get_by_role("listitem").filter(has_text=f"{sender} {text}")).to_have_count(1, timeout=PATIENCE)
        expect(self.page.get_by_text(f"Latest message: {text}")).to_be_visible(timeout=PATIENCE)

    def keep(self, text: str) -> None:
        """Write a note to oneself."""
        self.page.get_by_label("Note", exact=True).fill(text)
        self.page.get_by_role("button", name="Keep").click(timeout=PATIENCE)

    def expect_note(self, writer: str, text: str) -> None:
        note = self._notes.get_by_role("listitem").filter(has_text=f"{writer} {text}")
        expect(note).to_have_count(1, timeout=PATIENCE)

    def expect_note_not_there(self, text: str) -> None:
        expect(self._notes).not_to_contain_text(text)

    @property
    def _notes(self) -> Locator:
        return self.page.get_by_role("log", name="Notes to yourself")

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.get_by_label("User name")).to_be_visible(timeout=PATIENCE)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.artefacts / f"{name}.png")


@dataclass
class App:
    """The app in a browser, and what its pages reach and complain of.

    A new window costs four times what loading the page costs, so windows are emptied after a test and used again.
    """

    browser: Browser
    artefacts: Path
    address: str = ""
    """Where the app is served for this test."""
    expected: list[str] = field(default_factory=list)
    """Parts of errors that a test brings about by itself."""
    _errors: list[str] = field(default_factory=list)
    _hosts: set[str] = field(default_factory=set)
    _open: list[Window] = field(default_factory=list)
    _empty: list[Window] = field(default_factory=list)

    def window(self, address: str | None = None) -> Window:
        """Open the app as one who has never been there."""
        window = self._empty.pop() if self._empty else self._window_in(self.browser.new_context(viewport=_SIZE))
        self._open.append(window)
        window.page.goto(address or self.address)
        return window

    def connected(self, user: str, address: str | None = None) -> Window:
        """Open the app, sign in and wait for the connection."""
        window = self.window(address)
        window.sign_in(user)
        window.expect_connected()
        return window

    @contextmanager
    def tab_beside(self, window: Window) -> Iterator[Window]:
        """Open the app once more for the block, where it shares storage with the window."""
        tab = self._window_in(window.page.context)
        tab.page.goto(self.address)
        yield tab
        tab.page.close()

    def _window_in(self, context: BrowserContext) -> Window:
        page = context.new_page()
        page.on("console", lambda message: self._errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self._hosts.add(str(urlsplit(request.url).hostname)))
        window = Window(page, self.artefacts, [])
        page.on("websocket", lambda socket: self._opened(socket, window))
        return window

    def _opened(self, socket: WebSocket, window: Window) -> None:
        self._hosts.add(str(urlsplit(socket.url).hostname))
        socket.on(
            "framesent", lambda frame: window.frames.append(frame if isinstance(frame, bytes) else frame.encode())
        )

    def assert_nothing_went_wrong_unseen(self) -> None:
        """No error in a console but the expected ones, and nothing beyond loopback was asked for."""
        unexpected = [each for each in self._errors if not any(part in each for part in self.expected)]
        assert not unexpected, unexpected
        assert {host for host in self._hosts if host != "127.0.0.1" and not host.endswith(".localhost")} == set()

    def leave(self) -> None:
        """Leave the app in every window, and forget in each what the app has stored there."""
        left = [each for each in self._open if not each.page.is_closed()]
        for window in left:
            window.page.unroute_all()
            window.page.context.set_offline(offline=False)
            window.page.evaluate("localStorage.clear(); sessionStorage.clear()")
            window.page.goto("about:blank")
            window.frames.clear()
        self._empty += left
        self._open.clear()

    def begin(self, address: str) -> None:
        """Begin a test without the errors of the last one."""
        self.address = address
        for each in (self.expected, self._errors, self._hosts):
            each.clear()
