#!/bin/bash
#SBATCH --job-name={{ name | quoted }}
#SBATCH --array={{ first }}-{{ last }}{{ "%%%d" % at_once if at_once }}
#SBATCH --output={{ (shards | pattern ~ "/%a-of-%d/slurm.log" | replace("%d", count)) | quoted }}
{% for option in options %}
#SBATCH {% for word in option %}{{ word if word == " " else word | quoted }}{% endfor %}

{% endfor %}
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{{ warning_s }}
# A shard of a run. What is preempted or loses its node is requeued by Slurm, what comes near its time limit by this.
shard=$SLURM_ARRAY_TASK_ID
folder={{ shards | quoted }}/$shard-of-{{ count }}
child='' limit='' stopped='' heard=''
end() { [ -z "$child" ] || kill -TERM "$child" 2>/dev/null; }
trap 'heard=1 stopped=1 limit=' TERM  # scancel, preemption: Slurm tells the shard too, and knows what comes next
trap 'heard=1 stopped=1 limit=1; end' USR1  # the time limit is near

cd {{ cwd | quoted }} || exit 3
if ! [ -e {{ run_file | quoted }} ]; then
  echo "error: $(hostname):" {{ run_file | quoted }}": expected the file that launch wrote, found none:" \
    "put --run on a disk that all nodes share" >&2
  exit 3
fi
{% for line in setup %}
{{ line | line }}
{% endfor %}

code=143
if [ -z "$stopped" ]; then
  {{ command | line }} --shard "$shard/{{ count }}" &
  child=$!
  [ -z "$limit" ] || end
  heard=1
  while [ -n "$heard" ]; do  # a signal ends the wait, not the shard
    heard=''
    wait "$child"
    code=$?
  done
fi
mkdir -p "$folder"
echo "$code" >> "$folder/{{ exit_code }}"
if [ -n "$limit" ] && [ "$code" -eq 143 ]; then
  echo "$SLURM_ARRAY_JOB_ID" >> "$folder/requeued"
  if [ "$(grep -cx "$SLURM_ARRAY_JOB_ID" "$folder/requeued")" -le {{ requeues }} ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
  else
    echo "error: shard $shard of {{ count }}: requeued {{ requeues }} times at its time limit: pass a longer one," \
      "e.g. --sbatch=--time=12:00:00" >&2
  fi
fi
exit "$code"
