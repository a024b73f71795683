package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func fluxStatus(object *unstructured.Unstructured) (string, error) {
	result, err := kstatus.Compute(object)
	if err != nil {
		return "", err
	}
	return result.Status.String(), nil
}

// fluxExpressions judges as a Kustomization does that has the healthCheckExprs of the one in a file.
func fluxExpressions(path string) (judge, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	reader, err := cel.NewStatusReader(kustomization.Spec.HealthCheckExprs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func(object *unstructured.Unstructured) (string, error) {
		// Neither a mapper nor the cluster is needed for an object that is at hand.
		result, err := reader(nil).ReadStatusForObject(context.Background(), nil, object)
		if err != nil {
			return "", err
		}
		return result.Status.String(), result.Error
	}, nil
}

// fluxConditions says where the conditions break the rules of Flux's own kinds. While Ready is Unknown the object is in the
// middle of its reconciliation, for which Flux has rules of their own.
func fluxConditions(object *unstructured.Unstructured) (string, error) {
	getter := conditions.UnstructuredGetter(object)
	polarity := &check.Conditions{NegativePolarity: []string{meta.StalledCondition, meta.ReconcilingCondition}}
	checker := check.NewChecker(nil, polarity)
	if conditions.IsUnknown(getter, meta.ReadyCondition) {
		checker = check.NewInProgressChecker(nil)
	}
	checker.DisableFetch = true
	failures, warnings := checker.Check(context.Background(), getter)
	if complaint := errors.Join(failures, warnings); complaint != nil {
		return complaint.Error(), nil
	}
	return "", nil
}
