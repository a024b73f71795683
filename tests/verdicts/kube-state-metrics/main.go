// Makes metrics of objects with the code of kube-state-metrics.
//
// Reads objects from standard input, as a JSON array, and writes a JSON object with the samples of each, one a line: the key is
// the object's kind and name, joined by a slash.
//
//	kube-state-metrics CONFIGURATION
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-state-metrics/v2/pkg/customresourcestate"
	generator "k8s.io/kube-state-metrics/v2/pkg/metric_generator"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kube-state-metrics CONFIGURATION")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	generators, err := configured(path)
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("standard input is no array of objects: %w", err)
	}
	samples := make(map[string]string, len(objects))
	for _, object := range objects {
		key := object.GetKind() + "/" + object.GetName()
		for _, family := range generators[object.GroupVersionKind()] {
			samples[key] += string(family.Generate(object).ByteSlice())
		}
	}
	return json.NewEncoder(os.Stdout).Encode(samples)
}

// configured compiles a configuration. Unknown fields, which kube-state-metrics overlooks, are mistakes.
func configured(path string) (map[schema.GroupVersionKind][]generator.FamilyGenerator, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var configuration struct {
		Kind string `json:"kind"`
		customresourcestate.Metrics
	}
	if err := yaml.UnmarshalStrict(text, &configuration); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	generators := map[schema.GroupVersionKind][]generator.FamilyGenerator{}
	for _, resource := range configuration.Spec.Resources {
		factory, err := customresourcestate.NewCustomResourceMetrics(resource)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		kind := schema.GroupVersionKind(resource.GroupVersionKind)
		generators[kind] = append(generators[kind], factory.MetricFamilyGenerators()...)
	}
	return generators, nil
}
