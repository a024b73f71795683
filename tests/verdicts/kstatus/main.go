// Judges objects with the code of kstatus and of the tools that build on it.
//
// Reads objects from standard input, as a JSON array, and writes a JSON object with one verdict for each: the key is the
// object's kind and name, joined by a slash.
//
//	kstatus status                 as kstatus itself: Current, InProgress, Failed, …
//	kstatus flux-status            the same by Flux's fork of it
//	kstatus flux-expressions FILE  as Flux with the healthCheckExprs of the Kustomization in FILE
//	kstatus flux-conditions        what Flux's checker of conditions complains of; empty if of nothing
//	kstatus helm KUBECONFIG        what `helm install --wait` does about the stored object: Succeeds, Waits, Fails
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// judge tells the verdict on one object.
type judge func(object *unstructured.Unstructured) (string, error)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	var objects []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("standard input is no array of objects: %w", err)
	}
	verdicts, err := verdicts(arguments, objects)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func verdicts(arguments []string, objects []*unstructured.Unstructured) (map[string]string, error) {
	tool := ""
	if len(arguments) > 0 {
		tool, arguments = arguments[0], arguments[1:]
	}
	switch {
	case tool == "status" && len(arguments) == 0:
		return each(objects, status)
	case tool == "flux-status" && len(arguments) == 0:
		return each(objects, fluxStatus)
	case tool == "flux-expressions" && len(arguments) == 1:
		judge, err := fluxExpressions(arguments[0])
		if err != nil {
			return nil, err
		}
		return each(objects, judge)
	case tool == "flux-conditions" && len(arguments) == 0:
		return each(objects, fluxConditions)
	case tool == "helm" && len(arguments) == 1:
		return helm(arguments[0], objects)
	}
	return nil, fmt.Errorf("usage: kstatus status | flux-status | flux-expressions FILE | flux-conditions | helm KUBECONFIG")
}

func each(objects []*unstructured.Unstructured, judge judge) (map[string]string, error) {
	verdicts := make(map[string]string, len(objects))
	for _, object := range objects {
		verdict, err := judge(object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key(object), err)
		}
		verdicts[key(object)] = verdict
	}
	return verdicts, nil
}

func key(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}
