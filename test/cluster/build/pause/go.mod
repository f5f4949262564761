module github.com/opitios-ai/alpaca-knative/test/cluster/build/pause

go 1.26.0
