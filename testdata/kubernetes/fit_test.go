package kubernetes

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// A pod is what the manifests say of one.
type pod struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		TerminationGracePeriodSeconds int
		SecurityContext               struct{ RunAsUser, FsGroup int }
		Containers                    []struct {
			Ports []struct {
				Name          string
				ContainerPort int
			}
			LivenessProbe, ReadinessProbe, StartupProbe struct{ HTTPGet struct{ Path, Port string } }
			Lifecycle                                   struct {
				PreStop struct{ Sleep struct{ Seconds int } }
			}
			Resources struct{ Limits map[string]string }
		}
		Volumes []struct{ Secret struct{ DefaultMode int } }
	}
}

// An object has the fields of all the manifests that are checked here.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Selector       any
		PodSelector    selector
		Template       pod
		ScaleTargetRef struct{ Kind, Name string }
		Ports          []struct{ TargetPort string }
		Ingress        []struct{ Ports []struct{ Port string } }
	}
}

type selector struct{ MatchLabels map[string]string }

func read(t *testing.T, text []byte) (o object) {
	t.Helper()
	if err := yaml.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestManifestsFitTogether(t *testing.T) {
	all := files(t)
	deployment := read(t, all["deployment.yaml"])
	p := deployment.Spec.Template
	c := p.Spec.Containers[0]
	const name = "app.kubernetes.io/name"
	app := p.Metadata.Labels[name]
	for file, labels := range map[string]map[string]string{
		"deployment.yaml":          labels(t, deployment.Spec.Selector, true),
		"service.yaml":             labels(t, read(t, all["service.yaml"]).Spec.Selector, false),
		"poddisruptionbudget.yaml": labels(t, read(t, all["poddisruptionbudget.yaml"]).Spec.Selector, true),
		"networkpolicy.yaml":       read(t, all["networkpolicy.yaml"]).Spec.PodSelector.MatchLabels,
	} {
		if len(labels) != 1 || labels[name] != app {
			t.Errorf("%s selects %v, and the pods have %v", file, labels, p.Metadata.Labels)
		}
	}
	if read(t, all["doctor.yaml"]).Spec.Template.Metadata.Labels[name] == app {
		t.Error("the service would send requests to the doctor")
	}
	if target := read(t, all["horizontalpodautoscaler.yaml"]).Spec.ScaleTargetRef; target.Kind != deployment.Kind || target.Name != deployment.Metadata.Name {
		t.Errorf("the autoscaler is for %v", target)
	}
	ports := map[string]bool{}
	for _, port := range c.Ports {
		ports[port.Name] = true
	}
	for _, port := range read(t, all["service.yaml"]).Spec.Ports {
		if !ports[port.TargetPort] || port.TargetPort == "admin" {
			t.Errorf("the service has the port %q", port.TargetPort)
		}
	}
	for _, rule := range read(t, all["networkpolicy.yaml"]).Spec.Ingress {
		for _, port := range rule.Ports {
			if !ports[port.Port] {
				t.Errorf("the network policy has the port %q", port.Port)
			}
		}
	}
}

func labels(t *testing.T, selects any, match bool) map[string]string {
	t.Helper()
	text, err := yaml.Marshal(selects)
	if err != nil {
		t.Fatal(err)
	}
	var s selector
	if match {
		err = yaml.Unmarshal(text, &s)
	} else {
		err = yaml.Unmarshal(text, &s.MatchLabels)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.MatchLabels
}

// The probes ask what httpmw/admin serves, as a kubelet does: without a token, by address.
func TestProbes(t *testing.T) {
	list := revocation.Disabled(keys.Generate(0))
	api, err := admin.New(list, keys.Static(keys.Generate(0)), admin.Config{Token: "a token of 24 bytes or more"})
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, files(t)["deployment.yaml"]).Spec.Template.Spec.Containers[0]
	for name, probe := range map[string]struct{ got, want string }{
		"startup":   {c.StartupProbe.HTTPGet.Path, "/livez"},
		"liveness":  {c.LivenessProbe.HTTPGet.Path, "/livez"},
		"readiness": {c.ReadinessProbe.HTTPGet.Path, "/readyz"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://10.1.2.3:9090"+probe.got, nil)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != http.StatusOK || probe.got != probe.want {
			t.Errorf("the %s probe asks %s, and gets %d", name, probe.got, w.Code)
		}
	}
}

// Shutdown has the 20 s that docs/operations.md gives it, after preStop.
func TestTimeToShutDown(t *testing.T) {
	const shutdown, spare = 20 * time.Second, 5 * time.Second
	p := read(t, files(t)["deployment.yaml"]).Spec.Template.Spec
	stop := time.Duration(p.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if grace := time.Duration(p.TerminationGracePeriodSeconds) * time.Second; stop < 5*time.Second || grace < stop+shutdown+spare {
		t.Errorf("the grace period is %v, and preStop takes %v of it", grace, stop)
	}
}

func TestSecretsAreReadableToTheGroupAlone(t *testing.T) {
	p := read(t, files(t)["deployment.yaml"]).Spec.Template.Spec
	if mode := p.Volumes[0].Secret.DefaultMode; mode != 0o440 || p.SecurityContext.FsGroup == 0 || p.SecurityContext.RunAsUser == 0 {
		t.Errorf("the mode is %#o, and the group %d", mode, p.SecurityContext.FsGroup)
	}
	if _, limited := p.Containers[0].Resources.Limits["cpu"]; limited {
		t.Error("the processor is limited")
	}
}
