package main

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func status(object *unstructured.Unstructured) (string, error) {
	result, err := kstatus.Compute(object)
	if err != nil {
		return "", err
	}
	return result.Status.String(), nil
}
