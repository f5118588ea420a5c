package command

// declared lists every declared command.
func declared() [][]*Command {
	return [][]*Command{
		aclCommands,
		bitmapCommands,
		clientCommands,
		clusterCommands,
		commandCommands,
		connectionCommands,
		functionCommands,
		genericCommands,
		geoCommands,
		hashCommands,
		hashExpiryCommands,
		hyperloglogCommands,
		listCommands,
		moduleCommands,
		pubsubCommands,
		scriptingCommands,
		serverCommands,
		serverContainersCommands,
		setCommands,
		sortedsetCommands,
		sortedsetAlgebraCommands,
		sortedsetRangeCommands,
		streamCommands,
		stringCommands,
		transactionsCommands,
	}
}
