module github.com/opitios-ai/alpaca-knative/test/cluster

go 1.26.0
