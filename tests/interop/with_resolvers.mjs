// What libp2p takes for granted and Node 20 lacks; preload it with `node --import`.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}
