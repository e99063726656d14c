package subject

// BucketStream is the stream that holds a bucket: KV_HUB_GATEWAYS.
func (t Tree) BucketStream(name string) string { return "KV_" + t.Bucket(name) }

// StreamInfo is where a stream's state is asked.
func StreamInfo(stream string) string { return "$JS.API.STREAM.INFO." + stream }

// StreamCreate is where a stream is made.
func StreamCreate(stream string) string { return "$JS.API.STREAM.CREATE." + stream }

// DirectGet is where any replica of a stream is asked for messages. It may be
// behind the leader.
func DirectGet(stream string) string { return "$JS.API.DIRECT.GET." + stream }

// LeaderGet is where the leader of a stream is asked for one message.
func LeaderGet(stream string) string { return "$JS.API.STREAM.MSG.GET." + stream }
