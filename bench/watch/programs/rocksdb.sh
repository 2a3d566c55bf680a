# RocksDB's db_bench with direct I/O for flushes, compactions and reads.
# Packages: rocksdb-tools
# Its own switch: only buffered
case $VARIANT in buffered) direct=false ;; *) direct=true ;; esac
options="--db=db --use_direct_io_for_flush_and_compaction=$direct --use_direct_reads=$direct --num=300000 --value_size=400 --compression_type=none"
case $1 in
prepare) ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	existing=0
	while [ "$(date +%s)" -lt "$end" ]; do
		# shellcheck disable=SC2086 # options
		db_bench $options --threads=2 --duration=20 --use_existing_db=$existing --benchmarks=overwrite,compact 2>/dev/null | sed -n 's,^overwrite.* \([0-9]*\) ops/sec.*,throughput: \1 writes/s,p'
		existing=1
	done
	;;
check)
	# shellcheck disable=SC2086 # options
	db_bench $options --use_existing_db=1 --benchmarks=verifychecksum,readseq 2>&1 | tee check | sed -n '/Corruption/p' && ! grep -q Corruption check
	;;
esac
