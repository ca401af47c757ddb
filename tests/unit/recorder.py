"""What a live job would publish."""

from xsn_acq.live.results import ResultPublisher


class Recorder(ResultPublisher):
    """Keeps what would be sent."""

    def __init__(self):
        super().__init__(None)
        self.sent = []

    def send(self, header, array=None):
        self.sent.append((header, array))

    def of(self, kind):
        return [(header, array) for header, array in self.sent if header["kind"] == kind]
