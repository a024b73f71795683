// Judges objects with Argo CD's own runner of health scripts.
//
// Reads objects from standard input, as a JSON array, and writes a JSON object with one verdict for each: the key is the
// object's kind and name, joined by a slash; the verdict is Healthy, Progressing, Degraded or Suspended.
//
//	argocd SCRIPT
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: argocd SCRIPT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("standard input is no array of objects: %w", err)
	}
	verdicts := make(map[string]string, len(objects))
	for _, object := range objects {
		// As the ConfigMap argocd-cm says it: without the libraries that Argo CD opens for its own scripts only.
		overrides := lua.ResourceHealthOverrides{
			lua.GetConfigMapKey(object.GroupVersionKind()): v1alpha1.ResourceOverride{HealthLua: string(script)},
		}
		key := object.GetKind() + "/" + object.GetName()
		health, err := overrides.GetResourceHealth(object)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		verdicts[key] = string(health.Status)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}
