-- What release 0.1.0 wrote into its job index: its tables as its SQLAlchemy made them, and a few rows.
CREATE TABLE jobs (
	job_id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	job_type TEXT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	progress INTEGER NOT NULL, 
	message TEXT, 
	error TEXT, 
	result JSON, 
	created_at BIGINT NOT NULL, 
	started_at BIGINT, 
	completed_at BIGINT, 
	due_at BIGINT, 
	attempt INTEGER NOT NULL, 
	deployment_id VARCHAR(64), 
	parameters JSON NOT NULL, 
	uses_kit BOOLEAN NOT NULL, 
	state_id VARCHAR(64), 
	reported_percent INTEGER, 
	reported_message TEXT, 
	reported_attempt INTEGER, 
	reported_at BIGINT, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (job_id)
);
CREATE INDEX jobs_newest ON jobs (created_at, job_id);
CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id);
CREATE INDEX jobs_by_type ON jobs (job_type, created_at, job_id);
CREATE INDEX jobs_by_state ON jobs (state, created_at, job_id);
CREATE INDEX jobs_by_version ON jobs (version);
CREATE TABLE deleted_jobs (
	job_id VARCHAR(64) NOT NULL, 
	deleted_at BIGINT NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (job_id)
);
CREATE INDEX ix_deleted_jobs_version ON deleted_jobs (version);
CREATE TABLE clock (
	id INTEGER NOT NULL, 
	version BIGINT NOT NULL, 
	floor BIGINT NOT NULL, 
	events_read_until BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE log_lines (
	job_id VARCHAR(64) NOT NULL, 
	seq INTEGER NOT NULL, 
	line_id VARCHAR(64) NOT NULL, 
	timestamp BIGINT NOT NULL, 
	level INTEGER NOT NULL, 
	message TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	PRIMARY KEY (job_id, seq), 
	CONSTRAINT log_lines_once UNIQUE (job_id, line_id)
);
CREATE INDEX log_lines_in_order ON log_lines (job_id, timestamp, seq);
CREATE TABLE log_settled (
	job_id VARCHAR(64) NOT NULL, 
	completed_at BIGINT NOT NULL, 
	PRIMARY KEY (job_id)
);
INSERT INTO clock VALUES (1, 1772612100004, 1772612100000, 1772612099000000);
INSERT INTO jobs VALUES
  ('b0000000-0000-4000-8000-000000000002', 'quiet-owl', 'export', 'failed', 'failed', 40, 'Failed: disk full', 'disk full',
   'null', 1772612000000002, 1772612001000000, 1772612002000000, NULL, 2, 'd0000000-0000-4000-8000-000000000001',
   '{"camera_id": "Front", "days": 3}', TRUE, 's-2', 40, 'Writing events', 2, 1772612001500000, 1772612100002),
  ('a0000000-0000-4000-8000-000000000001', 'busy-fox', 'cleanup', 'completed', 'completed', 100, 'Completed successfully',
   NULL, '{"file_path": "/api/exports/Events.csv"}', 1772612000000001, 1772612000500000, 1772612001000000, NULL, 1, NULL,
   '{}', FALSE, NULL, NULL, NULL, NULL, NULL, 1772612100003),
  ('c0000000-0000-4000-8000-000000000003', 'late-bee', 'export', 'pending', 'pending', 0, NULL, NULL,
   'null', 1772612000000003, NULL, NULL, 1772612000000003, 1, NULL, '{}', TRUE, 's-3', NULL, NULL, NULL, NULL,
   1772612100001);
INSERT INTO deleted_jobs VALUES ('e0000000-0000-4000-8000-000000000005', 1772612090000000, 1772612100004);
INSERT INTO log_lines VALUES
  ('b0000000-0000-4000-8000-000000000002', 1, 'f0000000-0000-4000-8000-000000000001', 1772612001100000, 20, 'begin', 1),
  ('b0000000-0000-4000-8000-000000000002', 2, 'f0000000-0000-4000-8000-000000000002', 1772612001300000, 50, 'disk full', 2),
  ('b0000000-0000-4000-8000-000000000002', 3, 'f0000000-0000-4000-8000-000000000003', 1772612001200000, 10, 'late', 2);
INSERT INTO log_settled VALUES
  ('b0000000-0000-4000-8000-000000000002', 1772612002000000), ('a0000000-0000-4000-8000-000000000001', 1772612001000000);
