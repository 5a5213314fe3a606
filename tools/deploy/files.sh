# shellcheck shell=bash
# What backup and restore share. Sourced, never run.

database() { # database PROGRAM ARGUMENT…: PostgreSQL's program in its pod, by the socket
    kubectl exec --stdin --namespace contrail postgres-0 -- "$@" --host=/var/run/postgresql --username=postgres
}

# Whether the catalog is in that PostgreSQL: .env may name another.
catalog_is_here() {
    secret_value contrail contrail-lake CONTRAIL__LAKE__CATALOG_URI | grep -q '@postgres\.contrail\.svc[:/]'
}

# A pod that has the data volume, and a shell with tar: PostgreSQL's image has both.
start_files() {
    local image
    image=$(kubectl get statefulset postgres --namespace contrail --output jsonpath='{.spec.template.spec.containers[0].image}')
    stop_files
    kubectl create --filename - >/dev/null <<POD
apiVersion: v1
kind: Pod
metadata:
  name: contrail-files
  namespace: contrail
  labels: {app.kubernetes.io/part-of: contrail, app.kubernetes.io/name: files}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: files
      image: $image
      command: [sleep, "86400"]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources:
        requests: {cpu: 50m, memory: 32Mi}
        limits: {memory: 128Mi}
      volumeMounts:
        - {name: data, mountPath: /var/lib/contrail}
  volumes:
    - name: data
      persistentVolumeClaim: {claimName: contrail-data}
POD
    kubectl wait --namespace contrail --for=condition=Ready pod/contrail-files --timeout=120s >/dev/null
}
stop_files() { kubectl delete pod contrail-files --namespace contrail --ignore-not-found --wait >/dev/null; }
files() { kubectl exec --stdin --namespace contrail contrail-files -- "$@"; }
