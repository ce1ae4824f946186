"""Listens as the game does: one message of the API per WebSocket message."""

from __future__ import annotations

import os
import signal
import time
from http import HTTPStatus
from threading import Thread

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from game.faults import Faults
from game.messages import sc2api_pb2 as api
from game.protocol import Game


def listen(host: str, port: int, faults: Faults) -> None:
    """Serve clients, one after another, until one says quit."""
    game = Game(passive=faults.passive)

    def attend(connection: ServerConnection) -> None:
        try:
            while game.status != api.quit:
                _attend(connection, game, faults)
        except ConnectionClosed:
            return  # the real one waits for the next client too
        connection.close()
        Thread(target=server.shutdown).start()  # it waits for this one

    with serve(
        *(attend, host, port),
        process_request=only_the_api,
        compression=None,
        max_size=None,  # real maps are large
        ping_interval=None,  # a client that thinks does not pong
    ) as server:
        server.serve_forever()


def only_the_api(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse all but the one address that the game has."""
    return None if request.path == "/sc2api" else connection.respond(HTTPStatus.NOT_FOUND, "")


def _attend(connection: ServerConnection, game: Game, faults: Faults) -> None:
    """Answer one request, or fail to; clients send bytes in frames that say text."""
    data = connection.recv(decode=False)
    assert isinstance(data, bytes), "not decoded"
    request = api.Request.FromString(data)
    name = request.WhichOneof("request") or "empty"
    verdict = faults.verdict(name)
    time.sleep(faults.delay)
    if verdict == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if verdict == "hang":
        time.sleep(LIFETIME)
    if verdict == "ignore":
        request = api.Request(id=request.id, ping=api.RequestPing())
    response = game.answer(request)
    if verdict == "ignore":
        response.ClearField("ping")
        getattr(response, name).SetInParent()
    if name != "quit":  # to which no answer is expected
        connection.send(response.SerializeToString())


LIFETIME = 3600
"""Seconds after which a process ends in any case: none outlives the tests for long."""
