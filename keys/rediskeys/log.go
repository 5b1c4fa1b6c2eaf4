package rediskeys

import _ "github.com/wafer-sessions/wafer/internal/redislog" // the client's log goes to slog
