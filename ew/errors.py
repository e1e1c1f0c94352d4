"""The errors that ``ew`` raises: one kind for each way a caller can react.

    EwError
    ├── ConfigError   a configuration file or option is wrong: fix it and start again
    ├── InputError    a waveform, station or event file can't be used
    ├── BrokerError   the MQTT broker can't be started, reached or kept
    └── MessageError  a message from outside is malformed, stale or badly signed

Every message says what happened, where (file, station, key) and what to do. Bad data inside a
stream are skipped and counted by name, and raise none of these.
"""


class EwError(Exception):
    """Base of every error ``ew`` raises on purpose."""


class ConfigError(EwError):
    """A configuration value or option is wrong; the message names the file and the key."""


class InputError(EwError):
    """A file or a directory of input can't be used; the message names it and the cure."""


class BrokerError(EwError):
    """The broker can't be started or reached; the message names its address."""


class MessageError(EwError):
    """A message from outside is malformed, stale or badly signed; the message says which."""
