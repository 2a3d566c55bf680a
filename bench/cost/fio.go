package cost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"stablepages/bench/record"
)

// fio runs fio for one cell.
func (p *peer) fio(ctx context.Context) (record.Cost, error) {
	out, _, _, err := p.output(ctx, "fio", p.fioArgs()...)
	if err != nil {
		return record.Cost{}, err
	}
	return parseFio(out)
}

// fioArgs are one job that syncs, and of psync, of which each write takes a thread
// as ours do, others beside it that do not: a sync is of the whole file.
func (p *peer) fioArgs() []string {
	size, depth := int64(p.g.size), int64(p.g.depth)
	jobs := int64(1)
	if p.variant == record.FioPsync || p.variant == record.FioPsyncSum {
		jobs = depth
	}
	own := p.run.region / size / jobs // writes in a part of the region
	args := []string{"--output-format=json"}
	args = append(append(args, p.fioJob("first", own)...), fmt.Sprintf("--fdatasync=%d", own))
	if jobs > 1 {
		args = append(append(args, p.fioJob("others", own)...),
			fmt.Sprintf("--numjobs=%d", jobs-1), fmt.Sprintf("--offset=%d", own*size), fmt.Sprintf("--offset_increment=%d", own*size))
	}
	return args
}

// fioJob is a job that goes around in so many writes.
func (p *peer) fioJob(name string, own int64) []string {
	args := []string{
		"--name=" + name, "--filename=" + path, "--thread", "--group_reporting",
		"--direct=1", "--rw=write", "--allow_file_create=0",
		fmt.Sprintf("--bs=%d", p.g.size), fmt.Sprintf("--size=%d", own*int64(p.g.size)),
		"--time_based", fmt.Sprintf("--runtime=%dms", max(1, p.run.Time.Milliseconds())), "--end_fsync=1",
		"--scramble_buffers=0", "--randrepeat=0", // filled once, with what does not compress
		"--lat_percentiles=1", "--clat_percentiles=0", "--percentile_list=50:99:99.9",
	}
	switch p.variant {
	case record.FioPsync, record.FioPsyncSum:
		args = append(args, "--ioengine=psync")
	default:
		args = append(args, "--ioengine=io_uring", "--fixedbufs", "--registerfiles", fmt.Sprintf("--iodepth=%d", p.g.depth))
	}
	if p.variant == record.FioPsyncSum {
		// Without a pattern fio would make new random data for each write.
		args = append(args, "--verify=crc32c", "--verify_pattern=0x5aa5c33c", "--do_verify=0", "--verify_state_save=0")
	}
	return args
}

// fioResult is of fio's JSON what is needed (fio(1), "JSON OUTPUT").
type fioResult struct {
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

func parseFio(out []byte) (record.Cost, error) {
	var res fioResult
	if err := json.Unmarshal(out, &res); err != nil {
		return record.Cost{}, fmt.Errorf("fio: its output: %w", err)
	}
	if len(res.Jobs) != 1 {
		return record.Cost{}, fmt.Errorf("fio: results of %d jobs, and not of one group", len(res.Jobs))
	}
	j := res.Jobs[0]
	switch {
	case j.Error != 0:
		return record.Cost{}, fmt.Errorf("fio: error %d", j.Error)
	case j.Write.Bytes <= 0 || j.Write.Runtime <= 0:
		return record.Cost{}, errors.New("fio: it wrote nothing")
	}
	at := func(percentile string) int64 { return int64(math.Round(j.Write.Latency.Percentile[percentile])) }
	return record.Cost{
		Writes: j.Write.Total, Bytes: j.Write.Bytes, Seconds: j.Write.Runtime / 1000,
		P50NS: at("50.000000"), P99NS: at("99.000000"), P999NS: at("99.900000"),
		CPUUserSeconds: j.UserCPU / 100 * j.JobRuntime / 1000, CPUSystemSeconds: j.SystemCPU / 100 * j.JobRuntime / 1000,
		Amplification: 1,
	}, nil
}
