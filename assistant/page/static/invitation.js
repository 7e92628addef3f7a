// An invitation's link: what stands behind `#invitation=` is kept in this tab until somebody has signed in and joined.

const KEPT = 'goalspace.invitation';
const IN_ADDRESS = /^#invitation=([\w=-]{1,200})$/;

/** Takes it out of the address, where it would be shown, copied and bookmarked. True where there was one. */
export function keepInvitation() {
  const found = IN_ADDRESS.exec(location.hash);
  if (!found) return false;
  sessionStorage.setItem(KEPT, found[1]);
  history.replaceState(null, '', location.pathname + location.search);
  return true;
}

export function isInvited() {
  return sessionStorage.getItem(KEPT) !== null;
}

/** Joins the space; its id, or null without an invitation. Raises ApiError; one that is refused is not tried again. */
export async function acceptInvitation(api) {
  const token = sessionStorage.getItem(KEPT);
  if (token === null) return null;
  try {
    const { space_id: id } = await api.post('/api/invitations/accept', { token });
    sessionStorage.removeItem(KEPT);
    return id;
  } catch (error) {
    if ([404, 422].includes(error.status)) sessionStorage.removeItem(KEPT);
    throw error;
  }
}
