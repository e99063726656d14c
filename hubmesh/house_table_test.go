package main_test

import "strings"

// room is what one package of the house may do, outside its tests.
type room struct {
	// may lists the packages of the house that it imports, by folder; a/{b,c}
	// is a/b and a/c. An arrow that is not used any more is taken out: the
	// table is a picture of what is.
	may string
	// libs lists the libraries, beside the standard one, that it imports.
	libs string
	// pure: it takes and returns values, and time is an argument. It has no
	// goroutine, no lock, no logger, no context, and does not look at the clock.
	pure bool
	// but names what a pure package imports nonetheless; the reason stands
	// above it.
	but string
}

// imports is may, spelt out.
func (r room) imports() (list []string) {
	for _, word := range strings.Fields(r.may) {
		before, within, many := strings.Cut(strings.TrimSuffix(word, "}"), "{")
		if !many {
			list = append(list, word)
			continue
		}
		for _, name := range strings.Split(within, ",") {
			list = append(list, before+name)
		}
	}
	return list
}

const (
	natsGo     = "github.com/nats-io/nats.go"
	natsServer = "github.com/nats-io/nats-server/v2"
	prometheus = "github.com/prometheus/client_golang"
	gobwas     = "github.com/gobwas/ws"
	jwt        = "github.com/golang-jwt/jwt/v5"
	kong       = "github.com/alecthomas/kong"
	celGo      = "cel.dev/cel-go"
	jwkset     = "github.com/MicahParks/jwkset"
	yamlLib    = "go.yaml.in/yaml/v3"
)

// testLibs is what any tests may import beside what their package may: real
// servers and real clients, and no library that asserts or mocks.
const testLibs = natsGo + " " + natsServer + " " + prometheus

// house is every package of every module, and whom it may import. Arrows go
// one way, cmd → module root → internal → shared, and services never import
// each other: they meet on NATS. The pure packages hold the hard part.
var house = map[string]room{
	// What services say to one another: no rule, no state.
	"shared/env":      {},
	"shared/follow":   {may: "shared/{natsconn,store,subject}", libs: natsGo},
	"shared/kv":       {may: "shared/{follow,natsconn,obs,subject}", libs: natsGo},
	"shared/life":     {},
	"shared/limit":    {may: "shared/env", pure: true},
	"shared/natsconn": {may: "shared/{env,subject,wire}", libs: natsGo},
	"shared/natstest": {may: "shared/{natsconn,store,subject}", libs: natsServer + " " + natsGo},
	"shared/obs":      {may: "shared/env", libs: prometheus},
	"shared/program":  {may: "shared/{env,life,natsconn,obs}", libs: natsGo},
	"shared/store":    {may: "shared/{env,subject}", libs: natsGo},
	"shared/subject":  {may: "shared/env", pure: true},
	// What carries a token keeps it out of logs by a method that slog asks for.
	"shared/wire": {pure: true, but: "log/slog"},

	// Lets clients in.
	"gateway":                  {may: "gateway/internal/{ask,client,control,frame,here,meter,relay,rights,room,session,socket,webclient} gateway/internal/door/native shared/{env,follow,kv,life,limit,natsconn,obs,store,subject,wire}", libs: natsGo},
	"gateway/cmd/gateway":      {may: "gateway shared/{env,obs,program,store,subject}", libs: natsGo},
	"gateway/internal/ask":     {may: "gateway/internal/{frame,meter} shared/{natsconn,obs,subject,wire}", libs: natsGo},
	"gateway/internal/client":  {may: "gateway/internal/{ask,door,frame,here,meter,quota,relay,rights,room,session} shared/{limit,obs,subject,wire}"},
	"gateway/internal/control": {may: "shared/{follow,kv,natsconn,obs,subject,wire}", libs: natsGo},
	// A handshake's header and status are values of net/http.
	"gateway/internal/door":          {may: "gateway/internal/frame shared/wire", pure: true, but: "net/http"},
	"gateway/internal/door/doortest": {may: "gateway/internal/{door,frame} shared/wire"},
	"gateway/internal/door/native":   {may: "gateway/internal/{door,frame} shared/wire", pure: true, but: "net/http"},
	"gateway/internal/frame":         {may: "shared/wire", pure: true},
	"gateway/internal/hall":          {may: "gateway/internal/{door,frame,room} shared/wire"},
	"gateway/internal/here":          {may: "gateway/internal/{ask,frame,hall,meter,room,standing} shared/{follow,life,obs,subject,wire}", libs: natsGo},
	"gateway/internal/meter":         {may: "gateway/internal/frame shared/{obs,wire}", libs: prometheus},
	"gateway/internal/quota":         {may: "shared/limit", pure: true},
	"gateway/internal/relay":         {may: "gateway/internal/{frame,meter,room,trail} shared/{follow,life,natsconn,obs,store,subject,wire}", libs: natsGo},
	"gateway/internal/rights":        {may: "gateway/internal/{ask,frame,meter} shared/{follow,kv,life,obs,subject,wire}", libs: natsGo},
	"gateway/internal/room":          {may: "gateway/internal/{door,frame}"},
	"gateway/internal/session":       {may: "gateway/internal/frame shared/{subject,wire}", pure: true},
	"gateway/internal/standing":      {may: "shared/wire", pure: true},
	"gateway/internal/trail":         {pure: true},
	"gateway/internal/socket":        {may: "gateway/internal/{client,door,frame,meter,room} shared/{obs,wire}", libs: gobwas},
	"gateway/internal/webclient":     {},

	// Who is here.
	"presence":                   {may: "presence/internal/{meter,serve,sweep} shared/{env,follow,obs,store,subject}", libs: natsGo},
	"presence/cmd/presence":      {may: "presence shared/{env,obs,program,subject}", libs: natsGo},
	"presence/internal/desk":     {may: "presence/internal/{ledger,meter,roster,spelling,told} shared/{follow,kv,life,obs,subject,wire}", libs: natsGo},
	"presence/internal/ledger":   {may: "shared/natsconn", libs: natsGo},
	"presence/internal/meter":    {may: "shared/{obs,wire}", libs: prometheus},
	"presence/internal/ordered":  {pure: true},
	"presence/internal/roster":   {may: "presence/internal/ordered shared/{subject,wire}", pure: true},
	"presence/internal/serve":    {may: "presence/internal/{desk,ledger,meter,roster,sweep} shared/{follow,kv,life,natsconn,obs,subject,wire}", libs: natsGo},
	"presence/internal/spelling": {may: "shared/wire", pure: true},
	"presence/internal/sweep":    {may: "presence/internal/desk shared/{kv,obs,subject,wire}"},
	"presence/internal/told":     {may: "presence/internal/{ordered,roster} shared/wire", pure: true},

	// Who may.
	"authz":                   {may: "authz/internal/{book,jwks,meter,policy,serve,token} shared/{env,follow,obs,store,subject}", libs: natsGo},
	"authz/cmd/authz":         {may: "authz shared/{env,obs,program,subject}", libs: natsGo},
	"authz/internal/book":     {may: "authz/internal/{ledger,meter,policy,relation} shared/{follow,kv,life,obs,subject,wire}", libs: natsGo},
	"authz/internal/jwks":     {may: "authz/internal/{meter,token} shared/obs", libs: jwkset},
	"authz/internal/ledger":   {may: "shared/wire", pure: true},
	"authz/internal/meter":    {may: "shared/{obs,wire}", libs: prometheus},
	"authz/internal/policy":   {may: "shared/{subject,wire}", libs: celGo + " " + yamlLib, pure: true},
	"authz/internal/relation": {may: "shared/subject", pure: true},
	"authz/internal/serve":    {may: "authz/internal/{book,jwks,meter,policy,token} shared/{life,natsconn,obs,subject,wire}", libs: natsGo},
	"authz/internal/token":    {may: "shared/{subject,wire}", libs: jwt},

	// How much.
	"ratelimit":                 {may: "ratelimit/internal/{meter,serve} shared/{env,limit,obs,store,subject}", libs: natsGo},
	"ratelimit/cmd/ratelimit":   {may: "ratelimit shared/{env,obs,program,subject}", libs: natsGo},
	"ratelimit/internal/bucket": {may: "shared/{limit,subject}", pure: true},
	"ratelimit/internal/meter":  {may: "shared/obs", libs: prometheus},
	"ratelimit/internal/serve":  {may: "ratelimit/internal/{bucket,meter} shared/{limit,natsconn,obs,store,subject,wire}", libs: natsGo},

	// The whole house in one process.
	"hubmesh":                       {may: "authz hubmesh/internal/{datadir,demo,hub,listener,screen} hubmesh/mesh shared/{env,kv,life,natsconn,obs,program,store,subject,wire}", libs: kong + " " + natsGo},
	"hubmesh/e2e":                   {},
	"hubmesh/internal/chromiumtest": {},
	"hubmesh/internal/datadir":      {may: "shared/env"},
	"hubmesh/internal/demo":         {may: "shared/{natsconn,obs,subject,wire}", libs: natsGo},
	"hubmesh/internal/deploy":       {libs: yamlLib},
	"hubmesh/internal/hub":          {may: "shared/wire", libs: gobwas},
	"hubmesh/internal/hubtest":      {libs: gobwas},
	"hubmesh/internal/listener":     {may: "hubmesh/internal/hub shared/wire"},
	"hubmesh/internal/screen":       {may: "hubmesh/internal/hub"},
	"hubmesh/mesh":                  {may: "authz gateway presence ratelimit hubmesh/internal/datadir shared/{env,life,natsconn,obs,store,subject}", libs: natsServer + " " + natsGo},
}
