"""The frame-angle ledger: one row for each frame and each lost pulse. Pure: times and angles in, rows out.

A lost frame leaves no gap in the camera's own counter, so frames are matched to pulses by time (`matching`).
Streaming equals batch: a frame is decided when its successor and the next pulse are known. Where the first
frame does not lie close to the first pulse, frames were lost or the clocks disagree: that train is decided
as a whole, at its end.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

import numpy.typing as npt

from xsn_acq.plans.rows import UNKNOWN, Rhythm, Row, Summary, clocks_disagree, reconcile, shown
from xsn_acq.plans.train import Train


class Ledger:
    """Rows of one run: ``begin`` a train, ``push`` what is known, ``end`` it; see what is ``missing``.

    Rows are handed out, not kept: memory does not grow with them.

    Parameters
    ----------
    rhythm : Rhythm
        How the projections are spaced.
    good : collection of int
        Targets that have their frame in an earlier run of the same tomogram.
    phase_deg : float, optional
        Where in its step the first frame of that run lay, of a camera that runs freely, degrees.
    """

    def __init__(self, rhythm: Rhythm, *, good: Collection[int] = (), phase_deg: float | None = None) -> None:
        self.rhythm = rhythm
        self._good: set[int] = set(good)
        self._earlier = len(self._good)
        self._again: set[int] = set()
        self._train: Train | None = None
        self._trains = 0
        self._pulses = 0
        self._captured = 0
        self._lost = self._flagged = 0
        self._phase_deg = phase_deg
        self._offset_s: float | None = None
        self._failures: Counter[str] = Counter()

    def begin(self, targets: Sequence[int], first_frame: int) -> None:
        """Start a train for ``targets`` (neighbours, rising); its first frame has that index in the file."""
        rhythm = self.rhythm
        origin = self.start_deg(targets[0]) - targets[0] * rhythm.step_deg
        self._train = Train(
            self._trains,
            targets,
            first_frame,
            rhythm=rhythm,
            origin_deg=origin,
            offset_s=self._offset_s or 0.0,
        )
        self._trains += 1
        self._pulses += len(targets)

    def push(
        self,
        theta_deg: npt.ArrayLike,
        pulse_times: npt.ArrayLike,
        frame_times: npt.ArrayLike,
        *,
        sound: int | None = None,
        ring_current_ma: float = math.nan,
    ) -> list[Row]:
        """Take all pulses and frames of the train so far, from its start; the rows that are now beyond doubt.

        Parameters
        ----------
        theta_deg, pulse_times : array_like, shape (pulses,)
            Captured encoder angles, degrees, and trigger times, seconds.
        frame_times : array_like, shape (frames,)
            Time stamps of the train's frames, seconds.
        sound : int, optional
            So many frames surely had beam and a stage at its speed; the others are not decided yet, and
            flagged if the train ends first. All, when left out.
        ring_current_ma : float
            Ring current now, kept with the new rows.
        """
        train = self._open_train()
        train.take(theta_deg, pulse_times, frame_times)
        train.sound = len(train.frame_times) if sound is None else sound
        return self._decide(train, min(train.horizon, train.sound), ring_current_ma)

    def break_off(self) -> None:
        """The open train is broken off (a pause, an abort, no beam): targets not reached are not lost."""
        self._open_train().broken_off = True

    def end(self, *, ring_current_ma: float = math.nan) -> list[Row]:
        """Close the train: rows of the last frames, then one for each pulse and target without a frame."""
        train = self._open_train()
        offset_s = train.learn_offset()
        self._offset_s = self._offset_s if offset_s is None else offset_s
        rows = self._decide(train, len(train.frame_times), ring_current_ma)
        lost = self._without_frames(train)
        if train.broken_off:
            lost = [row for row in lost if row.pulse != UNKNOWN]
            self._pulses -= len(train.targets) - len(train.theta)
        elif len(self._good.intersection(train.targets)) < len(train.targets) - self.rhythm.count / 2:
            self._failures[train.blame(self.rhythm.count / 2)] += 1
        self._again.update(row.target for row in lost)
        self._lost += len(lost)
        self._captured += len(train.theta)
        if self._phase_deg is None:
            self._phase_deg = train.indexer.phase_deg
        self._train = None
        return rows + lost

    @property
    def targets(self) -> tuple[int, ...]:
        """Targets of the open train."""
        return self._open_train().targets

    @property
    def all_came(self) -> bool:
        """Whether the pulses of the open train are all captured, and no frame of it is still to come."""
        return self._open_train().all_came

    @property
    def hopeless(self) -> bool:
        """Whether most of the tomogram failed twice for one reason: to fly it again is of no use."""
        return any(times > 1 for times in self._failures.values())

    @property
    def flagged(self) -> int:
        """Frames that are not to be trusted."""
        return self._flagged

    def missing(self) -> list[int]:
        """Targets that have no good frame yet."""
        return [target for target in range(self.rhythm.count) if target not in self._good]

    def start_deg(self, target: int) -> float:
        """Where a train starts whose first target this is, degrees.

        A camera that runs freely cannot aim at an angle: it is given the step centred on the angle to retake.
        """
        start = self.rhythm.first_deg + target * self.rhythm.step_deg
        return start if self._phase_deg is None else start + self._phase_deg - self.rhythm.step_deg / 2

    def summary(self, *, counted: int, written: int) -> Summary:
        """Reconcile pulses sent, pulses captured, frames counted and frames written."""
        missing = self.missing()
        retaken = len(self._again & self._good)
        outside = counted - self._captured if self.rhythm.phase_free else 0  # before and after the angles
        notes = reconcile(
            pulses=self._pulses,
            captured=self._captured,
            counted=counted - outside,
            written=written - outside,
        )
        if self._flagged:
            notes.append(f"{self._flagged} frames flagged")
        if retaken:
            notes.append(f"{retaken} projections retaken")
        if self._earlier:
            notes.append(f"{self._earlier} projections of an earlier run")
        offset_s = math.nan if self._offset_s is None else self._offset_s
        notes += clocks_disagree(offset_s, self.rhythm.period_s)
        for reason, times in self._failures.items():
            often = "once" if times == 1 else "twice, not flown again"
            notes.append(f"most projections failed {often}: {reason}")
        if missing:
            notes.append(f"{len(missing)} of {self.rhythm.count} projections missing: {shown(missing)}")
        return Summary(
            pulses=self._pulses,
            captured=self._captured,
            counted=counted,
            written=written,
            lost=self._lost,
            retaken=retaken,
            clock_offset_s=offset_s,
            complete=int(not missing),
            message="; ".join(notes) or f"all {self.rhythm.count} projections accounted for",
        )

    def _open_train(self) -> Train:
        if self._train is None:
            raise RuntimeError("no train is open: call begin first")
        return self._train

    def _decide(self, train: Train, horizon: int, ring_current_ma: float) -> list[Row]:
        if horizon <= train.decided:
            return []
        found = train.match(horizon)
        rows = []
        for frame in range(train.decided, horizon):
            pulse, residual, sure = (column[frame - train.decided].item() for column in found.columns)
            rows.append(self._row(train, frame, pulse, residual, sure, ring_current_ma))
        train.decided = horizon
        flagged = [row.target for row in rows if row.status == "flagged" and row.target != UNKNOWN]
        self._flagged += len(flagged)
        self._again.update(flagged)
        return rows

    def _row(
        self, train: Train, frame: int, pulse: int, residual_s: float, sure: bool, ring_current_ma: float
    ) -> Row:
        target, trusted = train.pulse_targets[pulse] if pulse != UNKNOWN else (UNKNOWN, False)
        sure = sure and trusted and frame < train.sound
        good = sure and pulse not in train.claimed and target not in self._good
        if pulse != UNKNOWN:
            train.claimed.add(pulse)
        theta = float(train.theta[pulse]) if pulse != UNKNOWN else math.nan
        row = Row(
            target=target,
            train=train.number,
            pulse=pulse,
            frame_index=train.first_frame + frame,
            theta_deg=theta,
            theta_mid_deg=theta + self.rhythm.mid_exposure_deg,
            pulse_time=float(train.pulse_times[pulse]) if pulse != UNKNOWN else math.nan,
            frame_time=float(train.frame_times[frame]),
            residual_s=residual_s,
            ring_current_ma=ring_current_ma,
            status="ok" if good else "flagged",
        )
        if good:
            self._good.add(target)
        return row

    def _without_frames(self, train: Train) -> list[Row]:
        """Rows of the pulses no frame belongs to, and of the targets no pulse was captured for."""
        reached = {target for target, _ in train.pulse_targets}
        lost = [
            (train.pulse_targets[pulse][0], pulse, float(train.theta[pulse]), float(train.pulse_times[pulse]))
            for pulse in range(len(train.theta))
            if pulse not in train.claimed
        ]
        lost += [
            (target, UNKNOWN, self.rhythm.first_deg + target * self.rhythm.step_deg, math.nan)
            for target in train.targets
            if target not in reached
        ]
        return [
            Row(
                target=target,
                train=train.number,
                pulse=pulse,
                frame_index=UNKNOWN,
                theta_deg=theta,
                theta_mid_deg=theta + self.rhythm.mid_exposure_deg,
                pulse_time=time_s,
                frame_time=math.nan,
                residual_s=math.nan,
                ring_current_ma=math.nan,
                status="lost",
            )
            for target, pulse, theta, time_s in lost
        ]
