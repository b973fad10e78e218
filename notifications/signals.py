"""Signals for apps. Their receivers run in the workers, unless the signal says otherwise."""

from django.dispatch import Signal

#: A payload was handled. Sent inside the transaction that marks it done. Arguments: payload, milliseconds.
payload_handled = Signal()
#: An attempt failed. Arguments: payload, error (text), final (bool: the payload is dead).
payload_failed = Signal()
#: A person acknowledged, muted, resolved or reopened a failure group. Sent after the commit, where the person is: in a
#: request. Arguments: pk, source and title (of the group), state (its new one), by (who). What a receiver raises is
#: logged.
failure_group_changed = Signal()
#: A channel delivered an event. Sent after the position was saved, not while the database is away, and only for the
#: events that a digest shows. Arguments: channel (name), event, milliseconds.
event_delivered = Signal()
#: A post was stored and answered at the gate, in front of Django: no middleware sees it. Sent in the request, so be
#: quick. What a receiver raises is logged. Arguments: route (as ResolverMatch has it), status, milliseconds.
gate_answered = Signal()
