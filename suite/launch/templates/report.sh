#!/bin/bash
#SBATCH --job-name={{ (name ~ "-report") | quoted }}
#SBATCH --output={{ (shards | pattern ~ "/report.log") | quoted }}
{% for option in options %}
#SBATCH {% for word in option %}{{ word if word == " " else word | quoted }}{% endfor %}

{% endfor %}
#SBATCH --open-mode=append
# The verdict on all shards, however they ended: its exit code is the run's.
cd {{ cwd | quoted }} || exit 3
{% for line in setup %}
{{ line | line }}
{% endfor %}
exec {{ command | line }}
