package subject

// rightsFamilies is what authz answers, and what it answers from.
func (t Tree) rightsFamilies() []Family {
	return []Family{
		{
			t.Svc(Authz, "connect"), Asked,
			[]string{Gateway}, []string{Authz},
			"who is it that brings this token",
		},
		{
			t.Svc(Authz, "join"), Asked,
			[]string{Gateway}, []string{Authz},
			"what may this user do in these rooms",
		},
		{
			t.Svc(Authz, "joins"), Asked,
			[]string{Gateway}, []string{Authz},
			"the same for many connections at once, when rights have changed",
		},
		{
			t.Svc(Authz, "touched"), Asked,
			[]string{Gateway}, []string{Authz},
			"whom may a change of relations or of the policy concern",
		},
		{
			t.Svc(Authz, "explain"), Asked,
			[]string{Backend}, []string{Authz},
			"what may this user do in this room, and which rule, claim or relations say so",
		},
		{
			t.Key(Policy, "<type>"), Record,
			[]string{Authz}, nil,
			"who may do what in rooms of one type",
		},
		{
			t.Heard(Policy, "<type>"), Heard,
			nil, []string{Authz, Gateway},
			"the same rules once they are stored",
		},
		{
			t.Key(Relations, "<fact…>"), Record,
			[]string{Backend}, nil,
			"one fact: `team.red.member.user.ann`, `project.7.parent.team.red`",
		},
		{
			t.Heard(Relations, "<fact…>"), Heard,
			nil, []string{Authz, Gateway, Backend},
			"the same fact once it is stored, and its end",
		},
		{
			t.Key(Revoked, "<kind>.<id>"), Record,
			[]string{Backend}, nil,
			"tokens of a user (`user.ann`) that were issued before a time, or one token (`jti.7f3a`), hold no longer",
		},
		{
			t.Heard(Revoked, "<kind>.<id>"), Heard,
			nil, []string{Authz, Gateway},
			"the same once it is stored",
		},
	}
}
