package frameworks

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/wafer-sessions/wafer/httpmw"
)

// Echo is an application with echo. It is served as the http.Handler it is, within Handler, and not by its own Start, so that errors which
// echo turns into answers after the middleware are within, too.
func Echo(sessions *Sessions) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover())
	e.POST("/login", func(c *echo.Context) error {
		r := c.Request()
		id := httpmw.Identity{Subject: c.FormValue("user")} // after the password was checked
		if err := sessions.From(r.Context()).Login(r.Context(), id); err != nil {
			return c.String(http.StatusServiceUnavailable, "try again")
		}
		return c.String(http.StatusOK, "welcome")
	})
	e.POST("/logout", func(c *echo.Context) error {
		return c.String(ended(sessions.From(c.Request().Context()).Logout(c.Request().Context())))
	})

	// Given with each route: a Group without a prefix would answer 401 for every path that there is not.
	members := echo.WrapMiddleware(sessions.Require)
	e.GET("/hello/:greeting", func(c *echo.Context) error {
		return c.String(http.StatusOK, c.Param("greeting")+", "+sessions.From(c.Request().Context()).Subject())
	}, members)
	e.POST("/visit", func(c *echo.Context) error {
		s := sessions.From(c.Request().Context())
		if err := s.Update(func(v *Visit) error { v.Count++; return nil }); err != nil {
			return c.String(http.StatusInternalServerError, "not kept")
		}
		return c.String(http.StatusOK, strconv.Itoa(s.Value().Count))
	}, members)
	e.GET("/events", func(c *echo.Context) error {
		stream(c.Response(), c.Request(), sessions)
		return nil
	}, members)
	e.POST("/panic", func(c *echo.Context) error {
		_ = sessions.From(c.Request().Context()).Set(Visit{Count: 1000})
		panic("a bug")
	}, members)
	return http.NewCrossOriginProtection().Handler(sessions.Handler(e))
}
