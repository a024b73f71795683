package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
)

// patience is how long Helm may wait here. Whatever is not to be waited for is settled by the first look, which on a busy machine takes
// seconds because all objects are looked at together.
const patience = 30 * time.Second

// helm lets the waiter that `helm install --wait` uses wait for each stored object alone, all at the same time.
func helm(kubeconfig string, objects []*unstructured.Unstructured) (map[string]string, error) {
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig = &kubeconfig
	flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.QPS = -1
		return config
	}
	client := kube.New(flags)
	waiter, err := client.GetWaiterWithOptions(kube.StatusWatcherStrategy)
	if err != nil {
		return nil, err
	}
	resources, err := build(client, objects)
	if err != nil {
		return nil, err
	}
	verdicts := make([]string, len(objects))
	var waits sync.WaitGroup
	for index := range objects {
		waits.Go(func() {
			verdicts[index] = outcome(waiter.Wait(resources[index], patience))
		})
	}
	waits.Wait()
	byKey := make(map[string]string, len(objects))
	for index, object := range objects {
		byKey[key(object)] = verdicts[index]
	}
	return byKey, nil
}

// build makes of each object what Helm makes of a manifest.
func build(client *kube.Client, objects []*unstructured.Unstructured) ([]kube.ResourceList, error) {
	resources := make([]kube.ResourceList, 0, len(objects))
	for _, object := range objects {
		manifest, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		list, err := client.Build(bytes.NewReader(manifest), false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key(object), err)
		}
		resources = append(resources, list)
	}
	return resources, nil
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "Succeeds"
	case errors.Is(err, context.DeadlineExceeded):
		return "Waits"
	default:
		return "Fails"
	}
}
