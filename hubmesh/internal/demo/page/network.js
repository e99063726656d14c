// A network that one can cut: WebSockets that hear nothing while it is, and end
// as those of a dead network do. The page's cable cannot be pulled for one side
// of it, so the gateway still sees the browser's pongs; what it sends meanwhile
// is lost.

export class Network {
  #sockets = new Set();
  isCut = false;

  // socket is a class of WebSockets over this network, for a Hub.
  get socket() {
    const network = this;
    return class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        network.#sockets.add(this);
        super.addEventListener("close", () => network.#sockets.delete(this));
        // First of all who listen: nobody else hears what is lost.
        for (const event of ["open", "message"]) super.addEventListener(event, (e) => network.isCut && e.stopImmediatePropagation());
        if (network.isCut) setTimeout(() => network.#end(this));
      }
    };
  }

  #end(socket) {
    socket.onclose?.({ code: 1006, reason: "network cut" });
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  cut() {
    this.isCut = true;
    for (const socket of this.#sockets) this.#end(socket);
  }

  mend() {
    this.isCut = false;
    // What a browser says when the cable is back: the client comes at once.
    dispatchEvent(new Event("online"));
  }
}
