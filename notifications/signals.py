"""What apps may listen to. Receivers run in the workers, never in a request."""

from django.dispatch import Signal

#: A payload was handled; sent inside the transaction that marks it done. Arguments: payload, milliseconds.
payload_handled = Signal()
#: An attempt failed. Arguments: payload, error (text), final (bool: it will not be tried again).
payload_failed = Signal()
#: A channel delivered an event; sent once that is saved, not while the database is away, and of a digest's events for
#: those alone that it shows. Arguments: channel (name), event, milliseconds.
event_delivered = Signal()
