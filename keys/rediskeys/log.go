package rediskeys

import _ "github.com/wafer-sessions/wafer/internal/redislog" // sends the client's log to slog
