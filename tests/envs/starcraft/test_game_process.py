"""The stand-in as a process: framing, addresses, quitting, and faults on request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from game.installation import VERSION, install, launched
from game.maps import MAPS

protocol = pytest.importorskip("game.protocol", exc_type=ImportError)
client = pytest.importorskip("websockets.sync.client")
exceptions = pytest.importorskip("websockets.exceptions")
api = protocol.api

PATIENCE = 30.0
"""Seconds for what takes a fraction of one, on a machine that is busy."""
SHORT = 0.3
"""Seconds for which a hung game is watched."""


class Client:
    """What pysc2 is to the game."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, stack: ExitStack) -> None:
        """Connect as soon as the process listens, until the stack is left."""
        self.process, self.port, self.stack = process, port, stack
        self.link = stack.enter_context(self._connect())

    def _connect(self) -> Any:
        for _ in range(int(PATIENCE / 0.05)):
            try:
                return client.connect(f"ws://127.0.0.1:{self.port}/sc2api", compression=None)
            except ConnectionRefusedError:
                assert self.process.poll() is None, "the game ended as it began"
                time.sleep(0.05)
        raise AssertionError("the game does not listen")

    def send(self, **wish: Any) -> None:
        """Send a request as pysc2's websocket library does: bytes in a frame that says text."""
        self.link.send(api.Request(id=3, **wish).SerializeToString(), text=True)

    def ask(self, **wish: Any) -> Any:
        """Send a request and wait for the response, which must be in a binary frame."""
        self.send(**wish)
        data = self.link.recv(timeout=PATIENCE)
        assert isinstance(data, bytes)
        return api.Response.FromString(data)

    def ping(self) -> Any:
        """Ask for nothing."""
        return self.ask(ping=api.RequestPing())


Launch = Callable[..., Client]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return install(tmp_path / "StarCraft II")  # with a space: paths may have them


@pytest.fixture
def launch(home: Path) -> Iterator[Launch]:
    """Launch the game as pysc2 does, with faults; at the end all are gone."""
    processes, stack = [], ExitStack()

    def start(**faults: str) -> Client:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        binary = home / "Versions" / VERSION / "SC2_x64"
        place = [f"{home}/", "-tempDir", f"{home}/temp/", "-dataVersion", "B89B5D6FA7CBF6452E"]
        process = subprocess.Popen(
            [binary, "-listen", "127.0.0.1", "-port", str(port), "-dataDir", *place],
            env={**os.environ, **{f"STANDIN_{key}": value for key, value in faults.items()}},
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return Client(process, port, stack)

    yield start
    for process in processes:
        process.kill()
        process.communicate()
    stack.close()


def test_requests_come_in_text_frames_and_answers_go_in_binary_ones(launch: Launch) -> None:
    game = launch()
    response = game.ask(
        create_game=api.RequestCreateGame(
            local_map=api.LocalMap(map_path="ÿ", map_data=MAPS["3m"].to_bytes()),
            random_seed=2**31 - 1,  # of bytes that are no UTF-8
        )
    )
    assert (response.id, response.status, list(response.error)) == (3, api.init_game, [])
    assert game.ask(join_game=api.RequestJoinGame()).status == api.in_game


def test_only_the_address_of_the_api_is_served(launch: Launch) -> None:
    game = launch()
    with pytest.raises(exceptions.InvalidStatus, match="404"):
        client.connect(f"ws://127.0.0.1:{game.port}/other")


def test_quit_ends_the_process_without_an_answer(launch: Launch) -> None:
    game = launch()
    game.send(quit=api.RequestQuit())
    with pytest.raises(exceptions.ConnectionClosedOK):
        game.link.recv(timeout=PATIENCE)
    assert game.process.wait(PATIENCE) == 0


def test_a_client_that_leaves_may_be_followed_by_another(launch: Launch) -> None:
    game = launch()
    game.link.close()
    again = Client(game.process, game.port, game.stack)
    assert again.ping().status == api.launched


def test_every_launch_is_written_down(launch: Launch, home: Path) -> None:
    assert launched(home) == []
    processes = [launch().process.pid for _ in range(2)]
    assert launched(home) == processes


def test_a_crash_comes_without_a_word(launch: Launch) -> None:
    game = launch(CRASH_AT="ping:3")
    assert [game.ping().status for _ in range(2)] == [api.launched] * 2
    with pytest.raises(exceptions.ConnectionClosedError):
        game.ping()
    assert game.process.wait(PATIENCE) == -signal.SIGKILL


def test_a_hung_game_neither_answers_nor_heeds_sigterm(launch: Launch) -> None:
    game = launch(HANG_AT="any:2")
    game.ping()
    game.send(ping=api.RequestPing())
    game.process.terminate()
    with pytest.raises(TimeoutError):
        game.link.recv(timeout=SHORT)
    assert game.process.poll() is None


def test_late_answers_are_late_and_right(launch: Launch) -> None:
    game = launch(DELAY_MS="150")
    begin = time.monotonic()
    assert [game.ping().status for _ in range(2)] == [api.launched] * 2
    assert time.monotonic() - begin >= 0.3


def test_an_ignored_request_is_answered_and_not_done(launch: Launch) -> None:
    game = launch(IGNORE_AT="step:1")
    local = api.LocalMap(map_path="3m", map_data=MAPS["3m"].to_bytes())
    game.ask(create_game=api.RequestCreateGame(local_map=local))
    game.ask(join_game=api.RequestJoinGame())
    ignored = game.ask(step=api.RequestStep(count=8))
    assert (ignored.WhichOneof("response"), ignored.step.simulation_loop) == ("step", 0)
    assert game.ask(step=api.RequestStep(count=8)).step.simulation_loop == 8


def test_faults_end_with_the_launches_that_have_them(launch: Launch) -> None:
    wishes = {"CRASH_AT": "ping:1", "FAULTY_LAUNCHES": "1"}
    with pytest.raises(exceptions.ConnectionClosedError):
        launch(**wishes).ping()
    assert launch(**wishes).ping().status == api.launched


def test_a_misspelt_wish_keeps_the_game_from_starting(launch: Launch) -> None:
    with pytest.raises(AssertionError, match="ended as it began"):
        launch(CRASHES="ping:1")
