"""Token storages of other projects beside ours, in one run: what a get, a store and a store by 16 tasks take.

usage: compare.py PROGRAMS PYTHON FOLDER [full] [NAME...]

Each contestant is a process that waits to be asked (see contestant/src/lib.rs). They take turns in short blocks, in an
order that rotates, so that what else the machine does meets all of them; those that do not wait for the disk take theirs
apart, as what they leave to be written would burden the others' fsync. Figures are medians of the blocks, ratios medians
of the ratios within one round. System calls that wait for the disk are counted by strace, in processes of their own.
"""

import collections
import datetime
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = ["json", "sqlite"]
PEERS = {
    "ours": ["redb", "fjall", "object_store", "yup-oauth2"],
    "rusqlite": ["tokio-rusqlite", "tower-sessions-rusqlite"],
    "sqlx": ["opendal-fs", "opendal-sqlite", "tower-sessions-sqlx"],
    "python": ["globus-sdk-json", "globus-sdk-sqlite", "msal-extensions"],
}
SIZES = [1, 100, 10_000]
OPERATIONS = ["get", "store", "together"]
# A call that takes longer than this is not made again in each round.
SLOW = 0.5e9
SYNCS = "fsync,fdatasync,sync_file_range,msync,syncfs,sync"
COUNTED = 20

Work = collections.namedtuple("Work", "calls nanoseconds failed")


class Contestant:
    def __init__(self, name, command, folder, records, traced=None):
        self.name, self.folder, self.records = name, Path(tempfile.mkdtemp(dir=folder, prefix=f"{name}-")), records
        command = command + [name, str(self.folder), str(records)]
        if traced:
            command = ["strace", "-f", "-qq", "-e", f"trace=write,{SYNCS}", "-o", str(traced), *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times = collections.defaultdict(list)
        self.failed = collections.Counter()

    def wait_ready(self):
        line = self.process.stdout.readline().split(maxsplit=3)
        if not line or line[0] != "ready":
            sys.exit(f"{self.name} with {self.records} records did not start: see above")
        self.beside, self.durable, self.promise = line[1], line[2] == "true", line[3].strip()

    def ask(self, what, number=0):
        """The answer, or None if the contestant does no such thing."""
        self.process.stdin.write(f"{what} {number}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if line == ["none"]:
            return None
        if len(line) != 4 or line[0] != "done":
            sys.exit(f"{self.name} with {self.records} records ended while it was asked to {what}: see above")
        return Work(*map(int, line[1:]))

    def measure(self, operation, milliseconds):
        before = self.median(operation)
        if before is not None and before > SLOW:
            self.times[operation].append(None)
            return
        work = self.ask(operation, milliseconds)
        if work is None:
            return
        good = work.calls - work.failed
        self.failed[operation] += work.failed
        self.times[operation].append(work.nanoseconds / good if good else None)

    def median(self, operation):
        times = [time for time in self.times[operation] if time is not None]
        return statistics.median(times) if times else None

    def ratio(self, operation, other):
        """How often as long as the other, as the median of the rounds; where it ran in one only, of that."""
        pairs = zip(self.times[operation], other.times[operation])
        ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs is not None]
        return statistics.median(ratios) if ratios else None

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder)


def commands(programs, python):
    here = Path(__file__).resolve().parent
    found = {name: [str(programs / "peers-ours")] for name in OURS}
    for group, names in PEERS.items():
        program = [python, str(here / "contestants.py")] if group == "python" else [str(programs / f"peers-{group}")]
        found |= {name: program for name in names}
    return found


def play(contestants, milliseconds, rounds):
    """All blocks of one size. What does not wait for the disk goes last in each round."""
    for operation in OPERATIONS:
        for turn in range(rounds):
            at = turn % len(contestants)
            order = contestants[at:] + contestants[:at]
            order.sort(key=lambda contestant: not contestant.durable)
            for contestant in order:
                contestant.measure(operation, milliseconds)
            if operation != "get":
                os.sync()
    for contestant in contestants:
        if contestant.ask("check").failed:
            contestant.promise += "; **what it stored was not there when it was opened anew**"


def syncs(name, command, folder):
    """Calls that wait for the disk, for each store: one after the other, and by 16 tasks."""
    trace = folder / f"{name}.strace"
    contestant = Contestant(name, command, folder, 100, trace)
    contestant.wait_ready()
    counts = []
    for what, tasks in [("count", 1), ("count-together", 16)]:
        before = waits(trace)
        work = contestant.ask(what, COUNTED)
        counts.append((waits(trace) - before) / work.calls if work else None)
    contestant.end()
    trace.unlink()
    return counts


def waits(trace):
    return len(re.findall(rf"^\d+ +(?:{SYNCS.replace(',', '|')})\(", trace.read_text(errors="replace"), re.MULTILINE))


def shown(nanoseconds):
    if nanoseconds is None:
        return "-"
    for unit, size in [("s", 1e9), ("ms", 1e6), ("us", 1e3)]:
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def cell(contestant, operation, others):
    text = shown(contestant.median(operation))
    ratio = contestant.ratio(operation, others[contestant.beside])
    if contestant.name not in OURS and ratio is not None:
        text += f" ({ratio:.2g}x)" if ratio < 100 else f" ({ratio:,.0f}x)"
    if contestant.failed[operation]:
        text += f", {contestant.failed[operation]} failed"
    return text


def per_store(count):
    return "-" if count is None else f"{count:.2f}".rstrip("0").rstrip(".")


def table(played, counted):
    names = list(played[SIZES[0]])
    for operation, title in zip(OPERATIONS, ["get", "store", "store by 16 tasks at once, for each store"]):
        print(f"\n| {title} | " + " | ".join(f"{size:,} records" if size > 1 else "1 record" for size in SIZES) + " |")
        print("|---" * (len(SIZES) + 1) + "|")
        for name in names:
            row = [cell(played[size][name], operation, played[size]) for size in SIZES]
            print(f"| {label(name)} | " + " | ".join(row) + " |")
    print("\n| | calls that wait for the disk, for each store: alone, by 16 tasks | survives a power failure | |\n|---|---|---|---|")
    for name in names:
        contestant = played[SIZES[-1]][name]
        alone, together = counted[name]
        durable = "yes" if contestant.durable else "no"
        print(f"| {label(name)} | {per_store(alone)}, {per_store(together)} | {durable} | {contestant.promise} |")


def label(name):
    return f"**{name}, ours**" if name in OURS else name


def goals(played):
    """Rows for benches/goals.sh: P9."""
    for size in SIZES:
        all_of_them = played[size]
        for contestant in all_of_them.values():
            if contestant.name in OURS:
                continue
            ours = all_of_them[contestant.beside]
            for operation in OPERATIONS:
                ratio = ours.ratio(operation, contestant)
                if ratio is None:
                    continue
                limit = {"redb": 1.5, "fjall": 2.2}.get(contestant.name, 1.0)
                words = {"get": "get", "store": "store", "together": "store, 16 tasks"}[operation]
                if operation != "store" and contestant.name in ("redb", "fjall"):
                    # One process alone can have it open, so it need not look for the others' writes.
                    continue
                met = "met" if ratio <= limit else "not met"
                if not contestant.durable and operation != "get" or contestant.name == "yup-oauth2":
                    met = "does less"
                what = f"{contestant.beside} {words}, {size:,} record{'s' if size > 1 else ''}, beside {contestant.name}"
                print(f"goal | P9 | {what} | {ratio:.3g}x | at most {limit}x | {shown(contestant.median(operation))} | {met}")


def main():
    programs, python, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    chosen = sys.argv[4:]
    full = "full" in chosen
    chosen = [name for name in chosen if name != "full"]
    milliseconds, rounds = (150, 11) if full else (40, 7)
    known = commands(programs, python)
    if unknown := set(chosen) - set(known):
        sys.exit(f"no such contestants: {sorted(unknown)}; there are {sorted(known)}")
    wanted = [name for name in known if not chosen or name in chosen or name in OURS]
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; "
          f"{rounds} rounds of {milliseconds} ms each; load {os.getloadavg()[0]:.1f} at the start")
    played = {}
    for size in SIZES:
        contestants = [Contestant(name, known[name], folder, size) for name in wanted]
        for contestant in contestants:
            contestant.wait_ready()
        os.sync()
        play(contestants, milliseconds, rounds)
        for contestant in contestants:
            contestant.end()
        played[size] = {contestant.name: contestant for contestant in contestants}
    counted = {name: syncs(name, known[name], folder) for name in wanted}
    table(played, counted)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end\n")
    goals(played)


main()
