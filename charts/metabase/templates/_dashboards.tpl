{{/* The pods of the Job that keeps the dashboards. They have a name of their own, so that neither Metabase's
     Service nor its NetworkPolicy takes them for Metabase. */}}

{{- define "metabase.dashboards.selectorLabels" -}}
app.kubernetes.io/name: dashboards
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "metabase.dashboards.labels" -}}
{{ include "metabase.dashboards.selectorLabels" . }}
app.kubernetes.io/part-of: contrail
{{- end -}}

{{- define "metabase.dashboards.pod" -}}
metadata:
  labels:
    {{- include "metabase.dashboards.labels" . | nindent 4 }}
spec:
  {{- include "common.podSecurity" (dict "user" 10001) | nindent 2 }}
  # One pod a try, whose log stays.
  restartPolicy: Never
  # It may be ended anywhere: the next one finishes what it began.
  terminationGracePeriodSeconds: 5
  containers:
    - name: dashboards
      image: {{ include "common.image" (dict "Values" .Values.dashboards "Chart" .Chart) | quote }}
      imagePullPolicy: {{ .Values.dashboards.image.pullPolicy }}
      args: [apply]
      env:
        - name: CONTRAIL__METABASE__URL
          value: http://{{ include "common.name" . }}.{{ .Release.Namespace }}.svc:3000
        - name: CONTRAIL__METABASE__FRESH_TIMEOUT
          value: {{ .Values.dashboards.freshTimeout | quote }}
        {{- range $name, $value := .Values.dashboards.environment }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      envFrom:
        - secretRef:
            name: {{ .Values.dashboards.existingSecret }}
      resources:
        {{- toYaml .Values.dashboards.resources | nindent 8 }}
      {{- include "common.containerSecurity" . | nindent 6 }}
      volumeMounts:
        # The same path as Metabase's: init.sql is read here, and handed to Metabase.
        - name: data
          mountPath: /var/lib/contrail/published
          subPath: published
          readOnly: true
  volumes:
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.dataClaim }}
{{- end -}}
