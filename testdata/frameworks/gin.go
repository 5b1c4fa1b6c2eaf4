package frameworks

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/wafer-sessions/wafer/httpmw"
)

// Gin is an application with gin. The session is in the context of the request, c.Request.Context(); c itself is another context.
func Gin(sessions *Sessions) http.Handler {
	r := gin.New()
	r.Use(gin.RecoveryWithWriter(nil))
	r.POST("/login", func(c *gin.Context) {
		id := httpmw.Identity{Subject: c.PostForm("user")} // after the password was checked
		if err := sessions.From(c.Request.Context()).Login(c.Request.Context(), id); err != nil {
			c.String(http.StatusServiceUnavailable, "try again")
			return
		}
		c.String(http.StatusOK, "welcome")
	})
	r.POST("/logout", func(c *gin.Context) {
		c.String(ended(sessions.From(c.Request.Context()).Logout(c.Request.Context())))
	})

	members := r.Group("/", ginMiddleware(sessions.Require))
	members.GET("/hello/:greeting", func(c *gin.Context) {
		c.String(http.StatusOK, "%s, %s", c.Param("greeting"), sessions.From(c.Request.Context()).Subject())
	})
	members.POST("/visit", func(c *gin.Context) {
		s := sessions.From(c.Request.Context())
		if err := s.Update(func(v *Visit) error { v.Count++; return nil }); err != nil {
			c.String(http.StatusInternalServerError, "not kept")
			return
		}
		c.String(http.StatusOK, "%d", s.Value().Count)
	})
	members.GET("/events", func(c *gin.Context) { stream(c.Writer, c.Request, sessions) }) // not c.Stream
	members.POST("/panic", func(c *gin.Context) {
		_ = sessions.From(c.Request.Context()).Set(Visit{Count: 1000})
		panic("a bug")
	})
	return http.NewCrossOriginProtection().Handler(sessions.Handler(r))
}

// ginMiddleware turns middleware of net/http that answers or passes on, such as Require and RequireThat, into gin's. It passes on gin's own
// writer; for middleware that puts another in its place, such as Handler, it is of no use.
func ginMiddleware(m func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		m(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort() // or gin goes on to the handler
		}
	}
}
