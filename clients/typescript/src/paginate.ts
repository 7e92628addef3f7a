/** One page of a list; `next_cursor` is null on the last one. */
export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

/**
 * All items of a list, a page at a time, read when they are needed.
 *
 *     for await (const goal of paginate((cursor) => goalspace.listGoals({ query: { cursor } }))) …
 */
export async function* paginate<Item>(
  read: (cursor: string | undefined) => Promise<{ data: Page<Item> }>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined;
  do {
    const { data } = await read(cursor);
    yield* data.items;
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
