"""The web example in a browser, operated by its labels, buttons and texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, WebSocket, expect

from tests.e2e.conftest import PASSWORD

SECONDS = 1000
TIMEOUT = 60 * SECONDS
"""How long a page may take, in milliseconds."""
_SIZE: ViewportSize = {"width": 720, "height": 640}


@dataclass(frozen=True)
class Window:
    """A browser window with its own storage."""

    page: Page
    artefacts: Path
    frames: list[bytes]
    """The frames that were sent on WebSockets."""

    @property
    def connects(self) -> list[bytes]:
        """The CONNECT packets that Amplify sent."""
        return [frame for frame in self.frames if b"MQIsdp" in frame]

    def sign_in(self, user: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def expect_connected(self, within: float = TIMEOUT) -> None:
        expect(self.page.get_by_role("status")).to_have_text("Connected", timeout=within)

    def expect_status(self, *words: str) -> None:
        """Wait until the page's status contains these texts."""
        for each in words:
            expect(self.page.get_by_role("status")).to_contain_text(each, timeout=TIMEOUT)

    def expect_alert(self, words: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(words, timeout=TIMEOUT)

    def send(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send").click(timeout=TIMEOUT)

    def expect_message(self, sender: str, text: str) -> None:
        """Wait for the message, once in the conversation, and as the latest."""
        expect(self.page.get_by_role("listitem").filter(has_text=f"{sender} {text}")).to_have_count(1, timeout=TIMEOUT)
        expect(self.page.get_by_text(f"Latest message: {text}")).to_be_visible(timeout=TIMEOUT)

    def add_note(self, text: str) -> None:
        self.page.get_by_label("Note", exact=True).fill(text)
        self.page.get_by_role("button", name="Add").click(timeout=TIMEOUT)

    def expect_note(self, writer: str, text: str) -> None:
        note = self._notes.get_by_role("listitem").filter(has_text=f"{writer} {text}")
        expect(note).to_have_count(1, timeout=TIMEOUT)

    def expect_note_not_there(self, text: str) -> None:
        expect(self._notes).not_to_contain_text(text)

    @property
    def _notes(self) -> Locator:
        return self.page.get_by_role("log", name="Notes to yourself")

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.get_by_label("User name")).to_be_visible(timeout=TIMEOUT)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.artefacts / f"{name}.png")


@dataclass
class App:
    """The app in a browser, and the requests and errors of its pages.

    Opening a window takes four times as long as loading the page, so windows are reused after a test.
    """

    browser: Browser
    artefacts: Path
    address: str = ""
    """The address of the app for this test."""
    expected: list[str] = field(default_factory=list)
    """Parts of the console errors that the test causes."""
    _errors: list[str] = field(default_factory=list)
    _hosts: set[str] = field(default_factory=set)
    _open: list[Window] = field(default_factory=list)
    _empty: list[Window] = field(default_factory=list)

    def window(self, address: str | None = None) -> Window:
        """Open the app in a window without stored data."""
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
        """Open the app in another tab of the window in this block."""
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

    def assert_no_unexpected_errors(self) -> None:
        """Check that there were no other console errors, and only requests to loopback."""
        unexpected = [each for each in self._errors if not any(part in each for part in self.expected)]
        assert not unexpected, unexpected
        assert {host for host in self._hosts if host != "127.0.0.1" and not host.endswith(".localhost")} == set()

    def leave(self) -> None:
        """Close the app in every window, and delete what it stored."""
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
        """Begin a test, without the errors of the previous test."""
        self.address = address
        for each in (self.expected, self._errors, self._hosts):
            each.clear()
