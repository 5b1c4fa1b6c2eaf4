package keys

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// A watcher asks the system to report changes of a file. It watches folders, since files are
// replaced rather than written: the folder that the path names, and the folder that holds the file
// after following links. Kubernetes swaps a link named ..data in the first. Polling finds what the
// watcher misses.
type watcher struct {
	events <-chan fsnotify.Event // nil: the system reports nothing
	errors <-chan error
	fs     *fsnotify.Watcher
	dirs   [2]string // watched: of the path, of the file; "": not watched
	names  [3]string // that matter in these folders
}

func newWatcher(path string, c FileConfig) *watcher {
	w := &watcher{}
	if c.PollOnly {
		return w
	}
	var err error
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		c.Logger.Info("keys: the system reports no changes of files; polling instead", "file", path, "error", err)
		return w
	}
	w.events, w.errors = w.fs.Events, w.fs.Errors
	w.follow(path)
	return w
}

// follow moves the watches to where the path leads now.
func (w *watcher) follow(path string) {
	if w.fs == nil {
		return
	}
	file := resolve(path)
	dirs := [2]string{filepath.Dir(path), filepath.Dir(file)}
	if dirs[1] == dirs[0] {
		dirs[1] = ""
	}
	w.names = [3]string{filepath.Base(path), filepath.Base(file), "..data"}
	for i, dir := range dirs {
		if dir == w.dirs[i] {
			continue
		}
		if w.dirs[i] != "" {
			w.fs.Remove(w.dirs[i]) // fails if the folder is gone
		}
		if w.dirs[i] = dir; dir != "" && w.fs.Add(dir) != nil {
			w.dirs[i] = "" // tried again after the next read
		}
	}
}

// concerns reports whether an event may be about the ring. Other files in the folder may change all
// the time.
func (w *watcher) concerns(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	return name == w.names[0] || name == w.names[1] || name == w.names[2]
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}
