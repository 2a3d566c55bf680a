package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"stablepages/bench/record"
)

// fioArgs are the arguments of fio for a cell. With psync each write in flight takes a job,
// which is a thread, as each of our blocking writes takes one. Only the first job syncs: a
// sync is of the whole file.
func fioArgs(g group, v record.Variant, region int64, runtime time.Duration) []string {
	jobs, engine := 1, fmt.Sprintf("io_uring --fixedbufs --registerfiles --iodepth=%d", g.depth)
	switch v {
	case record.FioPsync:
		jobs, engine = g.depth, "psync"
	case record.FioPsyncSum: // without a pattern fio would make new random data for each write
		jobs, engine = g.depth, "psync --verify=crc32c --verify_pattern=0x5aa5c33c --do_verify=0 --verify_state_save=0"
	}
	part := region / int64(g.size) / int64(jobs) // writes until a job begins again
	bytes := part * int64(g.size)
	job := fmt.Sprintf("--filename=%s --thread --group_reporting --direct=1 --rw=write --allow_file_create=0"+
		" --bs=%d --size=%d --time_based --runtime=%dms --end_fsync=1"+
		" --scramble_buffers=0 --randrepeat=0"+ // filled once, with data that does not compress
		" --lat_percentiles=1 --clat_percentiles=0 --percentile_list=50:99:99.9 --ioengine=%s",
		path, g.size, bytes, max(1, runtime.Milliseconds()), engine)
	args := fmt.Sprintf("--output-format=json --name=first %s --fdatasync=%d", job, part)
	if jobs > 1 {
		args += fmt.Sprintf(" --name=others %s --numjobs=%d --offset=%d --offset_increment=%d", job, jobs-1, bytes, bytes)
	}
	return strings.Fields(args)
}

func parseFio(out []byte) (record.Cost, error) {
	var res struct { // of fio(1), "JSON OUTPUT"
		Jobs []struct {
			Error      int     `json:"error"`
			UserCPU    float64 `json:"usr_cpu"`     // percent of job_runtime
			SystemCPU  float64 `json:"sys_cpu"`     // percent of job_runtime
			JobRuntime float64 `json:"job_runtime"` // ms, of all jobs together
			Write      struct {
				Bytes   int64   `json:"io_bytes"`
				Runtime float64 `json:"runtime"` // ms
				Total   int64   `json:"total_ios"`
				Latency struct {
					Percentile map[string]float64 `json:"percentile"`
				} `json:"lat_ns"`
			} `json:"write"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal(out, &res); err != nil {
		return record.Cost{}, fmt.Errorf("fio: output that is no JSON: %w", err)
	}
	if len(res.Jobs) != 1 {
		return record.Cost{}, fmt.Errorf("fio: results of %d jobs, want one group", len(res.Jobs))
	}
	j := res.Jobs[0]
	switch {
	case j.Error != 0:
		return record.Cost{}, fmt.Errorf("fio: error %d", j.Error)
	case j.Write.Bytes <= 0 || j.Write.Runtime <= 0:
		return record.Cost{}, errors.New("fio: nothing was written")
	}
	at := func(percentile string) int64 { return int64(math.Round(j.Write.Latency.Percentile[percentile])) }
	return record.Cost{
		Writes: j.Write.Total, Bytes: j.Write.Bytes, Seconds: j.Write.Runtime / 1000,
		P50NS: at("50.000000"), P99NS: at("99.000000"), P999NS: at("99.900000"),
		CPUUserSeconds: j.UserCPU / 100 * j.JobRuntime / 1000, CPUSystemSeconds: j.SystemCPU / 100 * j.JobRuntime / 1000,
		Amplification: 1,
	}, nil
}
