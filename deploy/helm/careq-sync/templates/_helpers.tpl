{{/* The selector labels of a part of this release. Takes the root context and the part. */}}
{{- define "careq-sync.selector" -}}
app.kubernetes.io/name: careq-sync
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "careq-sync.labels" -}}
{{ include "careq-sync.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "careq-sync.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end }}

{{/* Settings common to all pods. */}}
{{- define "careq-sync.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Settings common to all containers: image, command, environment. */}}
{{- define "careq-sync.containerCommon" -}}
name: {{ .part }}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .part }}]
envFrom:
  - secretRef: { name: {{ required "existingSecret: name the Secret with the settings" .root.Values.existingSecret }} }
{{- with .root.Values.settings }}
env:
  {{- range $name, $value := . }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
  {{- end }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* The pod of a long-running process. */}}
{{- define "careq-sync.pod" -}}
metadata:
  labels: {{- include "careq-sync.labels" . | nindent 4 }}
  {{- with .root.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "careq-sync.podCommon" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "careq-sync.selector" . | nindent 10 }}
  containers:
    - {{- include "careq-sync.containerCommon" . | nindent 6 }}
      resources: {{- toYaml (index .root.Values .part).resources | nindent 8 }}
      ports:
        {{- if eq .part "ingress" }}
        - { name: http, containerPort: 8080 }
        {{- end }}
        - { name: operations, containerPort: 8081 }
      # The operations port opens after the process has connected to database and broker.
      startupProbe:
        httpGet: { path: /livez, port: operations }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /livez, port: operations }
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: { path: /readyz, port: operations }
        periodSeconds: 5
        timeoutSeconds: 3
      {{- if eq .part "ingress" }}
      lifecycle:
        preStop:
          exec: { command: [sleep, {{ .root.Values.stopDelaySeconds | quote }}] }
      {{- end }}
{{- end }}

{{/* At most one pod of a part is evicted at a time. */}}
{{- define "careq-sync.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "careq-sync.name" . }}
  labels: {{- include "careq-sync.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "careq-sync.selector" . | nindent 6 }}
{{- end }}
