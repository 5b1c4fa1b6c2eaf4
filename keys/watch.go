package keys

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// A watcher asks the system to say when a file changes. It watches folders, since
// files are replaced and not written: the one that the path names, and the one
// that holds the file when links have been followed. Kubernetes swaps a link
// named ..data in the first. What it misses, polling finds.
type watcher struct {
	events <-chan fsnotify.Event // nil: the system does not say
	errors <-chan error
	fs     *fsnotify.Watcher
	dirs   [2]string // watched: of the path, of the file; "": not
	names  [3]string // that matter there
}

func newWatcher(path string, c FileConfig) *watcher {
	w := &watcher{}
	if c.PollOnly {
		return w
	}
	var err error
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		c.Logger.Info("keys: the system does not say when the ring changes; polling", "file", path, "error", err)
		return w
	}
	w.events, w.errors = w.fs.Events, w.fs.Errors
	w.follow(path)
	return w
}

// follow brings the watches to where the path leads now.
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
			w.fs.Remove(w.dirs[i]) // gone with the folder, perhaps
		}
		if w.dirs[i] = dir; dir != "" && w.fs.Add(dir) != nil {
			w.dirs[i] = "" // tried again after the next look
		}
	}
}

// concerns says whether an event may be about the ring. Other files in the folder
// may change all the time.
func (w *watcher) concerns(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	return name == w.names[0] || name == w.names[1] || name == w.names[2]
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}
