{{/* common.test (dict "root" . "host" "producer.contrail.svc" "port" 8080 "path" "/readyz"): a pod of `helm test` that asks for an
     address and wants the status 200. It speaks HTTP by bash alone, so that an image of the stack
     does (`test.image`, PostgreSQL's by default). */}}
{{- define "common.test" -}}
{{- $ := .root -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "common.name" $ }}-test
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.testLabels" $ | nindent 4 }}
  annotations:
    {{- include "common.testHook" $ | nindent 4 }}
spec:
  restartPolicy: Never
  {{- include "common.podSecurity" (dict "user" 10001) | nindent 2 }}
  containers:
    - name: test
      image: {{ $.Values.test.image | quote }}
      imagePullPolicy: IfNotPresent
      {{- include "common.containerSecurity" $ | nindent 6 }}
      resources:
        {{- include "common.testResources" $ | nindent 8 }}
      command: [bash, -c]
      args:
        - |
          # Ready within a minute: a Service may need a moment to know its pods.
          for _ in $(seq 30); do
            if exec 3<>/dev/tcp/{{ .host }}/{{ .port }}; then
              printf 'GET {{ .path }} HTTP/1.0\r\nHost: {{ .host }}\r\n\r\n' >&3
              read -r _ status _ <&3
              [ "$status" != 200 ] || { echo "{{ .host }}:{{ .port }}{{ .path }} answers 200"; exit 0; }
            fi
            sleep 2
          done
          echo "error: {{ .host }}:{{ .port }}{{ .path }} answered ${status:-nothing}, not 200" >&2
          exit 1
{{- end -}}

{{- define "common.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
app.kubernetes.io/part-of: contrail
{{- end -}}

{{- define "common.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "common.testResources" -}}
requests: {cpu: 10m, memory: 16Mi}
limits: {memory: 64Mi}
{{- end -}}
