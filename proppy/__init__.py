from notifications.sqlite import use_fixed_sqlite

use_fixed_sqlite()
