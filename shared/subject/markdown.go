package subject

import (
	"fmt"
	"strings"
)

// Markdown is docs/subjects.md: every subject, stream and user below the
// prefix.
func (t Tree) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, markdownHead, t.Prefix(), t.Prefix())
	b.WriteString("\n| subject | kind | who says | who hears | meaning |\n|---|---|---|---|---|\n")
	for _, f := range t.Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n",
			f.Subject, f.Kind, names(f.Says, "the NATS server"), names(f.Hears, "its stream"), f.Meaning)
	}
	b.WriteString(markdownKinds)
	b.WriteString("\n## Streams and buckets\n\n| stream | who reads | holds |\n|---|---|---|\n")
	for _, l := range t.Logs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.Stream, names(l.Reads, "nobody"), l.Meaning)
	}
	b.WriteString(markdownUsers)
	for _, p := range t.Users() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.User, rights(p.Publish, p.PublishDeny), rights(p.Subscribe, nil))
	}
	return b.String()
}

func names(users []string, none string) string {
	if len(users) == 0 {
		return none
	}
	return strings.Join(users, ", ")
}

func rights(allow, deny []string) string {
	text := "nothing"
	if len(allow) > 0 {
		text = "`" + strings.Join(allow, "` `") + "`"
	}
	if len(deny) > 0 {
		text += ", but not `" + strings.Join(deny, "` `") + "`"
	}
	return text
}

const markdownHead = `# Subjects

Everything that hubmesh says on NATS, below the prefix ` + "`%s`" + ` (` + "`HUBMESH_PREFIX`" + `).
This page is printed by the code (` + "`make docs`" + `), from the table that also
gives the NATS users their rights, so what stands here is what holds.

A part in brackets is one token; with dots at its end it is one or more. Any
text becomes one token by writing each byte outside ` + "`[A-Za-z0-9_-]`" + ` as ` + "`=`" + ` and
two small hex digits: the room ` + "`task:a@b`" + ` is ` + "`%s.event.task.a=40b`" + `. The command
` + "`hubmesh subject task:a@b`" + ` prints it.
`

const markdownKinds = `
- publish: whoever hears it now, or nobody.
- request: one of those who hear it answers. All services are NATS micro
  services, so ` + "`nats micro ls`" + ` and ` + "`nats micro info`" + ` know them.
- pub or req: told; as a request it is answered once it is queued.
- record: stored by a stream or a bucket.
- republish: what the NATS server itself says of a record it has stored.
`

const markdownUsers = `
## Users

What each NATS user may do; the rest is refused. All may answer what they are
asked. ` + "`nats.conf`" + ` says the same to a NATS server.

| user | may publish | may subscribe |
|---|---|---|
`
