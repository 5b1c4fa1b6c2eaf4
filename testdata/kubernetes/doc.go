// Package kubernetes checks the manifests of docs/ops/kubernetes: kubeconform in strict mode reads them
// with the schemas that Kubernetes publishes, and they fit together.
package kubernetes
