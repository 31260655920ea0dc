"""The files that ``historian init`` writes: a configuration that checks, with every option, its default and its use."""

from __future__ import annotations

from typing import Final

from historian.config.tag_columns import COLUMNS

CONFIGURATION_NAME: Final = "historian.toml"
TAG_LIST_NAME: Final = "tags.csv"

CONFIGURATION: Final = """\
# Configuration of the historian.  After each change: historian check
#
# Lines that begin with # are comments.  An option in a comment has the value shown there anyway, unless it is said to
# be an example; remove the # to change it.
# Durations are texts such as "250ms", "1.5s", "5m", "8h" or "2d".  Paths are relative to this file's folder; write
# Windows paths in single quotes: 'D:\\historian\\store'.

# The tags, one a line, in CSV files that a spreadsheet can edit.
tag_files = ["tags.csv"]

# pki = "pki"                 # the folder of certificates for secure OPC UA connections


# Where the samples are kept --------------------------------------------------------------------------------------

[store]
path = "store"              # a folder; it is made when it is not there
# commit = "500ms"          # write to disk this often, at most 1s: what a power cut can cost
# flush_rows = 1000000      # move this many samples from the buffer into a Parquet file of the archive ...
# flush_after = "5m"        # ... or when the oldest of them has waited this long
# memory_limit = "256MiB"   # samples kept in memory while the disk is full


# How often to read: a name for each rate --------------------------------------------------------------------------

[scan_classes.fast]
rate = "1s"
# phase = "0s"              # begin this long after the full second (minute, hour ...), less than the rate

[scan_classes.slow]
rate = "10s"
phase = "500ms"


# Where to read: a name for each device or server -------------------------------------------------------------------

[sources.boiler]
protocol = "modbus"
url = "tcp://127.0.0.1:5020"   # the device's host and port; without a port 502.  Also udp://, tls://, rtu+tcp://,
                               # and serial lines: rtu:///dev/ttyUSB0?baudrate=9600&parity=none
# unit = 1                     # unit identifier (slave address), 0 to 255; sources with the same url share a connection
# timeout = "1s"               # wait this long for an answer
# max_registers = 125          # registers in one request, 1 to 125; less for devices that take less
# max_bits = 2000              # coils or discrete inputs in one request, 1 to 2000
# max_gap = 16                 # an example: read over at most so many unused registers; without it as many as pay
# one_by_one = false           # true: each value in a request of its own
# byte_order = "ABCD"          # of types that name none: "ABCD", "CDAB" (words swapped), "BADC", "DCBA"
# in_flight = 1                # so many requests may be under way at once, up to 16
# connect_pause = "0s"         # wait after connecting, before the first request
# request_pause = "0s"         # wait between two requests
# trusted_certificates = "plant-ca.pem"    # with tls:// alone, and these are examples: what the device's certificate
                                           # is checked against (without it, what the system trusts),
# server_name = "plc-1"                    # the name in that certificate, when it is not the host in the url,
# certificate = "historian.pem"            # our own certificate and its key
# private_key = "historian.key"
# private_key_password_env = "KEY_PASSWORD"      # the environment variable with the key's password ...
# private_key_password_file = "key.password"     # ... or the file

[sources.mixer]
protocol = "opcua"
url = "opc.tcp://127.0.0.1:4840/plant"
# mode = "poll"                # read at the rate of the scan class; "subscribe": the server reports what has changed
# sampling = "100ms"           # an example, for "subscribe": the server looks this often, not at the rate of the class
# queue_size = 0               # for "subscribe": values it keeps until it reports; 0: enough for twice that time
# deadband = "off"             # for "subscribe": "exc_dev" lets it leave out what lies within a tag's exc_dev
# backfill = false             # fill gaps from the server's history, where it keeps one ...
# backfill_limit = "30d"       # ... of each at most its last so much
# timeout = "4s"
# user = "historian"           # an example: without a user the session is anonymous
# password_env = "MIXER_PASSWORD"          # an example: the password, which is never written here, comes from this
                                           # environment variable ...
# password_file = "mixer.password"         # ... or, an example too, from this file
# timestamps = "source"        # whose clock: "source" (the device), "server", or "arrival" (this machine)
# max_skew = "10s"             # count and report times further than this from our own clock
# security_policy = "None"     # or "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"
# security_mode = "SignAndEncrypt"         # or "Sign"
# trust_on_first_use = false   # trust the first certificate the server shows, without: historian trust accept
# certificate = "plant.der"    # an example: our own certificate, instead of one that is made ...
# private_key = "plant.pem"    # ... and, an example too, its private key
# user_certificate = "operator.der"        # an example: log in with this certificate instead of a password ...
# user_private_key = "operator.pem"        # ... an example too: its private key


# What a blank cell of the tag lists means ---------------------------------------------------------------------------

[defaults]
# All of these are examples.
# Exception reporting: which values are passed on.  Without exc_dev all are.
# exc_dev = "0.1%"          # pass on changes of more than this: engineering units, or a part of the tag's low..high
# exc_min = "0s"            # but not more often than this
# exc_max = "10m"           # and at least this often
# Compression: which of those are stored.  Without comp_dev all are; with it, the line between two stored samples is
# never further than this from those left out.
# comp_dev = "0.2%"
# comp_min = "0s"
# comp_max = "8h"           # store at least this often
# compression = "lookahead" # or "door": the same promise, more samples, but only one of a tag waits to be stored


# Samples whose time cannot be right are kept apart and counted ------------------------------------------------

[limits]
# future = "10m"            # further ahead of our own clock than this
# past = "3660d"            # older than this


# How the archive is kept small and quick while collecting ------------------------------------------------------

[compaction]
# enabled = true            # small files become one a day, and one a month
# settle = "1h"             # a day is over so long after its end; until then late samples are waited for
# cpu_percent = 25          # of one processor, at most

# What goes, and when.  Without these lines nothing ever does.  See first what would go: historian compact --dry-run
[retention]
# All of these are examples.
# keep = "3650d"            # samples older than this go
# max_bytes = "200GiB"      # the oldest files go while the archive takes more than this
# [retention.groups.flows]
# tags = ["FIC*"]           # these tags have an age of their own
# keep = "90d"
# [retention.thinning]
# after = "180d"            # of samples older than this averages are kept, apart from the samples
# every = "1m"


# Raw samples of some tags, kept for a while as a proof: historian verify --bound ------------------------------

[shadow]
# All of these are examples, but for the last two.
# share = "1%"              # of the tags that leave anything out, chosen by their names
# tags = ["TIC205.PV"]      # and these
# keep = "7d"
# max_bytes = "500MB"


# What the historian records of itself ------------------------------------------------------------------------------

[health]
# tags = false              # true: scan times, errors, memory and so on as tags historian.*, every 10 s
"""

_ROWS: Final = (
    "FIC101.PV,boiler,hr:100,float32:CDAB,fast,m3/h,feed flow,,,0,120,,0.1%,,,0.25,,8h,",
    "XV101.OPEN,boiler,coil:3,bool,fast,,inlet valve,,,,,yes,,,,,,,closed|open",
    "TIC205.PV,mixer,ns=2;s=TIC205.PV,,slow,degC,jacket,,,0,300,,,,,0.5%,,,",
)

TAG_LIST: Final = "\n".join((",".join(COLUMNS), *_ROWS, ""))
