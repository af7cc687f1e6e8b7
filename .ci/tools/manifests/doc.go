// Package manifests has tests alone: what runs containers reads the files in examples, by the code
// of Kubernetes and of Compose. They need much to build, and belong to the long tests.
package manifests
