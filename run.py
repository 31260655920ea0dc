"""Set everything up beside this file and run one thing: ``python3 run.py demo``, ``python3 run.py test``.

Needs Python 3.11 or newer with its own ``venv`` module, and a package index that pip can reach; nothing else.  All
packages go into ``.venv`` beside this file, which is this file's own: an active environment (``VIRTUAL_ENV``) is
neither used nor changed, so that what is tested here is what the project asks for and nothing that happens to be
installed.  Delete ``.venv`` to start again.

The syntax is kept readable to Python 3.6, because a Python that is too old must get as far as saying so.
"""

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "run-stamp.json"
LOG = VENV / "install.log"
OLDEST = (3, 11)

VERBS = {
    "demo": ((), "the main job: a simulated plant, collected and queried; options as for `historian demo`"),
    "historian": ((), "any other command, such as `run.py historian check`; options as for `historian`"),
    "test": (("test",), "the test suite; options as for pytest"),
    "slow": (("test",), "the long tests: properties with many examples, soak tests; options as for pytest"),
    "bench": (("test",), "the benchmarks; options as for pytest"),
    "lint": (("lint",), "ruff"),
    "types": (("lint",), "mypy, strict"),
    "layers": (("lint",), "import-linter: imports go one way"),
    "wheel": (("lint",), "build the wheel, install it elsewhere and try it there; --python PROGRAM for another Python"),
    "check": (("lint",), "lint, types, layers and wheel, all of them"),
}
"""Name of each verb: dependency groups of pyproject.toml that it needs, and what it does."""

LONG_TESTS = (
    "tests/properties", "tests/soak", "tests/collectors/test_reconnects.py",
    "tests/collectors/opcua/test_opcua_lost_data.py",
)
"""Where there are properties worth many examples, and tests that the suite of every day leaves out."""

GATES = ("lint", "types", "layers", "wheel")

USAGE_EXIT = 2


class SetupError(Exception):
    """What stands in the way, and what to do about it."""


def main(arguments):
    """Run one verb; returns the exit code of what was run."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(usage())
        return 0
    if not arguments or arguments[0] not in VERBS:
        print(usage(), file=sys.stderr)
        return USAGE_EXIT
    verb, options = arguments[0], arguments[1:]
    try:
        check_interpreter()
        install(VERBS[verb][0])
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next call goes on from here")
        return 130
    return run_gates() if verb == "check" else become(command(verb, options))


def usage():
    """One line a verb."""
    lines = ["usage: python3 run.py VERB [options]", "", "Sets up .venv beside run.py when needed, then runs:"]
    return "\n".join(lines + [f"  {name:<10} {does}" for name, (_, does) in VERBS.items()])


def say(text):
    """Tell the person what happens; stdout belongs to the results."""
    print(f"run.py: {text}", file=sys.stderr, flush=True)


# What each verb runs -------------------------------------------------------------------------------------------------


def command(verb, options):
    """The command line of a verb, with the person's options last so that they win."""
    pytest = [program("python"), "-m", "pytest"]
    commands = {
        "demo": [program("historian"), "demo"],
        "historian": [program("historian")],
        # Whoever is done takes from the other: tests end to end, which wait a lot, stand behind one another.
        "test": [*pytest, "-n", "2", "--dist", "worksteal"],
        "slow": [
            *pytest, *LONG_TESTS, "-n", "2", "--dist", "worksteal", "-m", "slow or not slow", "--timeout", "1800",
            "--hypothesis-profile", "slow",
        ],
        "bench": [*pytest, "benchmarks", "--benchmark-enable", "--benchmark-only", "--timeout", "600", "-s"],
        "lint": [program("ruff"), "check", "."],
        "types": [program("mypy")],
        "layers": [program("lint-imports"), "--no-logo"],
        "wheel": [program("python"), str(ROOT / ".ci" / "wheel.py")],
    }
    return commands[verb] + options


def run_gates():
    """Run every gate, whatever the others said; returns 0 when all passed."""
    failed = [gate for gate in GATES if run(command(gate, [])) != 0]
    say(f"failed: {', '.join(failed)}" if failed else f"all passed: {', '.join(GATES)}")
    return 1 if failed else 0


def run(line):
    """Run a command and return its exit code."""
    announce(line)
    child = subprocess.Popen(line, cwd=working_folder(line))
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # Ctrl-C reached the child as well; it stops in order and we give its exit code.
            continue


def become(line):
    """Run a command in place of this process where the system can, so that a signal meant for it reaches it."""
    if os.name == "nt":
        return run(line)
    announce(line)
    os.chdir(working_folder(line))
    return os.execv(line[0], line)  # never returns


def announce(line):
    """Say what is run, as a person would type it with the environment active."""
    say(" ".join([Path(line[0]).stem, *line[1:]]))


def working_folder(line):
    """The product works where the person is, everything else in the project."""
    return os.getcwd() if Path(line[0]).stem == "historian" else str(ROOT)


def program(name):
    """Path of a program of the environment."""
    return str(VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name)


# The environment -----------------------------------------------------------------------------------------------------


def check_interpreter():
    """Raise SetupError unless this Python is new enough and can make environments."""
    ours, oldest = version(), ".".join(map(str, OLDEST))
    if sys.version_info < OLDEST:
        raise SetupError(
            f"cannot run on Python {ours} ({sys.executable}), wanted {oldest} or newer; call this file with a newer "
            "one, such as `python3.12 run.py ...` (on Windows `py -3.12 run.py ...`)"
        )
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"cannot make an environment: {sys.executable} has no module {' and no module '.join(missing)}; on Debian "
            f"and Ubuntu install it with `apt install python{ours}-venv`, elsewhere take the Python of python.org"
        )


def version():
    """Version of this Python as far as installed packages depend on it."""
    return "{}.{}".format(*sys.version_info[:2])


def install(groups):
    """Make ``.venv`` hold the project and the packages of ``groups``; quick when it does already."""
    done = read_stamp()
    wanted = {"python": version(), "root": str(ROOT), "pyproject": project_hash()}
    if not fits(done):
        remove_environment()
        make_environment()
        done = {}
    current = all(done.get(key) == value for key, value in wanted.items())
    if current and set(groups) <= set(done["groups"]):
        return
    wanted["groups"] = sorted({*groups, *done.get("groups", ())})
    install_packages(wanted["groups"])
    STAMP.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def read_stamp():
    """What the last complete installation was made from; empty when there was none."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def project_hash():
    """Hash of what decides about the packages."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def fits(done):
    """True when the environment was made here, and its interpreter runs and is of our version.

    A set-up that was interrupted, a folder that was moved and a Python that was removed or replaced do not fit.
    """
    if done.get("root", str(ROOT)) != str(ROOT):
        return False
    question = "import sys, pip; print('{}.{}'.format(*sys.version_info[:2]))"
    try:
        answer = subprocess.run([program("python"), "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return answer.stdout.decode().strip() == version()


def remove_environment():
    """Remove ``.venv`` when there is one, unless this very Python runs from it."""
    if not VENV.exists():
        return
    say("removing .venv: it is incomplete, was made in another folder or for another Python")
    if Path(sys.prefix).resolve() == VENV.resolve():
        raise SetupError("cannot remove .venv while running from it; call `deactivate`, then run.py again")
    shutil.rmtree(str(VENV))


def make_environment():
    """Make ``.venv`` with this interpreter."""
    say(f"making .venv with Python {platform.python_version()} ({sys.executable})")
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        raise SetupError(f"cannot make {VENV}:\n{made.stdout.decode(errors='replace').strip()}")


def install_packages(groups):
    """Install the project (editable) and the groups' packages; pip's whole output goes to a file."""
    import tomllib  # of Python 3.11: an older one must get as far as saying that it is too old

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = [requirement for group in groups for requirement in members(project["dependency-groups"], group)]
    what = " and the packages for ".join(["the project", " and ".join(groups)] if groups else ["the project"])
    say(f"installing {what} into .venv; the first time this takes one to three minutes")
    start = time.monotonic()
    line = [program("python"), "-m", "pip", "install", "--no-input", "--no-user", "--disable-pip-version-check"]
    code = run_logged([*line, "--editable", str(ROOT), *extra])
    if code:
        raise SetupError(
            f"cannot install the packages; pip ended with {code} and said last:\n{last_lines()}\n"
            f"The whole output is in {LOG}. No network? pip needs a package index: behind a proxy set HTTPS_PROXY, "
            "for an index of your own PIP_INDEX_URL; then call run.py again."
        )
    say(f"installed in {time.monotonic() - start:.0f} s")


def members(groups, name):
    """Requirements of a dependency group and of those it includes; read here, so that pip may be older than 25.1."""
    for entry in groups[name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from members(groups, entry["include-group"])


def run_logged(line):
    """Run pip with its output in ``LOG``; on a terminal the newest line is shown."""
    on_terminal = sys.stderr.isatty()
    with LOG.open("w", encoding="utf-8") as log:
        child = subprocess.Popen(line, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for raw in child.stdout:
            text = raw.decode(errors="replace")
            log.write(text)
            if on_terminal:
                sys.stderr.write(f"\r{text.strip()[:76]:<76}")
                sys.stderr.flush()
        code = child.wait()
    if on_terminal:
        sys.stderr.write("\r" + " " * 76 + "\r")
    return code


def last_lines(count=8):
    """What pip said of the failure: its errors, or else the end of its output without warnings."""
    lines = [line.strip() for line in LOG.read_text(encoding="utf-8").splitlines() if not line.startswith("WARNING")]
    errors = [line for line in lines if line.startswith("ERROR")]
    return "\n".join(f"  {line}" for line in (errors or lines)[-count:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
