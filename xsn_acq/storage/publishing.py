"""A ZeroMQ socket that sends to whoever listens and never waits for them."""

from zmq.constants import SocketOption, SocketType
from zmq.error import ZMQError
from zmq.sugar.context import Context
from zmq.sugar.socket import Socket

from xsn_acq.errors import StorageError

_LINGER_MS = 500


def publishing(address: str, *, what: str, queue: int) -> tuple[Socket[bytes], str]:
    """Bind a publishing socket; it, and the address it has (``tcp://127.0.0.1:*`` takes any free port).

    Parameters
    ----------
    address : str
    what : str
        What is sent, for the error.
    queue : int
        Messages kept for a listener that is slow; then it misses some.

    Raises
    ------
    StorageError
        When the address cannot be bound.
    """
    socket: Socket[bytes] = Context.instance().socket(SocketType.PUB)
    socket.setsockopt(SocketOption.LINGER, _LINGER_MS)
    socket.setsockopt(SocketOption.SNDHWM, queue)
    try:
        socket.bind(address)
    except ZMQError as error:
        socket.close()
        raise StorageError(
            f"{what} {address}: cannot be bound: {error}; does another session or worker use it?"
        ) from error
    return socket, socket.getsockopt_string(SocketOption.LAST_ENDPOINT)
